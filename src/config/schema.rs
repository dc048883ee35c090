//! The JSON Schema of services.toml, from the same keys that the decoder goes by.

use serde_json::{Map, Value, json};

use super::keys::{FILE, Key, SERVICE, Section, TEMPLATE, Wants};

/// The schema, draft 7, as Taplo and other editors read it.
#[must_use]
pub fn schema() -> Value {
    let mut schema = table(&FILE);
    schema["$schema"] = json!("http://json-schema.org/draft-07/schema#");
    schema["title"] = json!("services.toml");
    schema["description"] = json!("What a host runs under sentinel.");
    schema["required"] = json!(["services"]);
    schema
}

fn table(section: &Section) -> Value {
    let properties: Map<String, Value> = section
        .keys
        .iter()
        .map(|key| (key.name.to_owned(), property(key)))
        .collect();
    let mut schema = json!({"type": "object", "additionalProperties": false, "properties": properties});
    if section.name == SERVICE.name {
        schema["anyOf"] = json!([{"required": ["command"]}, {"required": ["template"]}]);
    }
    schema
}

fn property(key: &Key) -> Value {
    let mut schema = wanted(&key.wants);
    let default = key
        .default
        .map_or_else(String::new, |default| format!(" Default: {default}."));
    schema["description"] = json!(format!("{}{default}", key.about));
    schema
}

/// A number of bytes, or such a number with its unit.
fn size(or: &str) -> Value {
    json!({"anyOf": [
        {"type": "integer", "minimum": 0},
        {"type": "string", "pattern": format!(r"^([0-9]+(\.[0-9]+)?\s*([KMGTkmgt]i?)?[Bb]?{or})$")},
    ]})
}

fn services(section: &Section) -> Value {
    json!({
        "type": "object",
        "minProperties": 1,
        "additionalProperties": false,
        "patternProperties": {
            "^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$": table(section),
            // An instance has its command from its template.
            "^[A-Za-z0-9][A-Za-z0-9_.-]*@[A-Za-z0-9_.@-]+$": table(&TEMPLATE),
        },
    })
}

fn wanted(wants: &Wants) -> Value {
    let texts = json!({"type": "array", "items": {"type": "string"}});
    match wants {
        Wants::Text => json!({"type": "string"}),
        Wants::Texts => texts,
        Wants::Words => json!({"anyOf": [
            {"type": "string", "minLength": 1},
            {"type": "array", "items": {"type": "string"}, "minItems": 1},
        ]}),
        Wants::Ports => {
            let port = json!({"type": "integer", "minimum": 1, "maximum": 65535});
            let computed = json!({"type": "string", "pattern": r"\{"});
            json!({"type": "array", "items": {"anyOf": [port, computed]}})
        }
        Wants::Duration(_) => json!({"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?(ms|s|m|h)$"}),
        Wants::Rate => json!({"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?([KMGT]i?)?B/s$"}),
        Wants::Days => json!({"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?(ms|s|m|h|d|w)$"}),
        Wants::Age => {
            json!({"type": "string", "pattern": r"^(hourly|daily|weekly|[0-9]+(\.[0-9]+)?(s|m|h|d|w))$"})
        }
        Wants::DurationOrNever(_) => {
            json!({"type": "string", "pattern": r"^([0-9]+(\.[0-9]+)?(ms|s|m|h)|never)$"})
        }
        Wants::Exits => json!({"type": "array", "items": {"anyOf": [
            {"type": "integer", "minimum": 0, "maximum": 255},
            {"type": "string", "pattern": "^([Ss][Ii][Gg])?[A-Za-z0-9]+$"},
        ]}}),
        Wants::Hops(section) => json!({"anyOf": [
            texts,
            {"type": "object", "additionalProperties": table(section)},
        ]}),
        Wants::Number(least, u32::MAX) => json!({"type": "integer", "minimum": least}),
        Wants::Number(least, most) => json!({"type": "integer", "minimum": least, "maximum": most}),
        Wants::True => json!({"const": true}),
        Wants::Flag => json!({"type": "boolean"}),
        Wants::Integer(least, most) => json!({"type": "integer", "minimum": least, "maximum": most}),
        Wants::Mask => json!({"anyOf": [
            {"type": "string", "pattern": "^[0-7]{1,4}$"},
            {"type": "integer", "minimum": 0, "maximum": 0o777},
        ]}),
        Wants::Size => size(""),
        Wants::Limit => size("|unlimited|infinity"),
        Wants::Signal => json!({"anyOf": [
            {"type": "string", "pattern": "^([Ss][Ii][Gg])?[A-Za-z0-9]+$"},
            {"type": "integer", "minimum": 1, "maximum": 64},
        ]}),
        Wants::Choice(words) => json!({"enum": words}),
        Wants::Variables => json!({"type": "object", "additionalProperties": {"type": "string"}}),
        Wants::Json => json!({"type": "object"}),
        Wants::Url(scheme) => json!({"type": "string", "pattern": format!(r"^({scheme}s?://|\$\{{)")}),
        Wants::Address => json!({"type": "string", "pattern": r":[0-9]+$|\$\{"}),
        Wants::Table(section) => table(section),
        Wants::Services(section) => services(section),
        Wants::Named(section) => json!({"type": "object", "additionalProperties": table(section)}),
        Wants::Instances => json!({"anyOf": [
            {"type": "array", "items": {"type": ["string", "integer"]}, "minItems": 1},
            {"type": "object", "additionalProperties": {"type": "object"}},
        ]}),
    }
}
