//! `[templates.NAME]` and `instances`: services that are declared once and run many times.
//!
//! Works on the tree, before it is decoded: each instance becomes a service as if it had been written out, and
//! every value keeps the place where it stands, so that what is wrong with it is told there.

use std::collections::BTreeMap;

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::keys::nearest;
use super::placeholder::Words;
use super::report::{Finding, Report};

type Key<'t> = Spanned<DeString<'t>>;
type Templates<'t> = BTreeMap<String, DeTable<'t>>;

/// One service to be.
struct Instance<'t> {
    key: Key<'t>,
    /// What only it says.
    own: DeTable<'t>,
    index: Option<usize>,
}

/// Replaces, in `services`, all that comes from templates and instances by what it means.
pub(super) fn expand<'t>(root: &mut DeTable<'t>, report: &Report<'_>) {
    let templates = templates(root);
    let declared = root
        .get("services")
        .map(|services| services.get_ref().as_table().cloned());
    let declared = match declared {
        Some(Some(services)) => services,
        // Of a wrong type, which is told when it is read.
        Some(None) => return,
        None => DeTable::new(),
    };
    let mut services = DeTable::new();
    let mut entries: Vec<_> = declared.into_iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    for (key, value) in entries {
        expand_one(key, value, &templates, &mut services, report);
    }
    for (name, template) in &templates {
        add_instances_of(name, template, &mut services, report);
    }
    put(root, services);
}

fn put<'t>(root: &mut DeTable<'t>, services: DeTable<'t>) {
    if let Some(place) = root.get_mut("services") {
        *place.get_mut() = DeValue::Table(services);
    } else if !services.is_empty() {
        let at = root
            .get_key_value("templates")
            .map_or(0..0, |(key, _)| key.span());
        let key = Spanned::new(at.clone(), DeString::from("services"));
        root.insert(key, Spanned::new(at, DeValue::Table(services)));
    }
}

fn templates<'t>(root: &DeTable<'t>) -> Templates<'t> {
    let templates = root
        .get("templates")
        .and_then(|templates| templates.get_ref().as_table());
    templates
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| Some((key.get_ref().to_string(), value.get_ref().as_table()?.clone())))
        .collect()
}

/// One entry of `services`: itself, an instance of a template, or many instances.
fn expand_one<'t>(
    key: Key<'t>,
    value: Spanned<DeValue<'t>>,
    templates: &Templates<'t>,
    services: &mut DeTable<'t>,
    report: &Report<'_>,
) {
    let (span, inner) = (value.span(), value.into_inner());
    let DeValue::Table(mut table) = inner else {
        services.insert(key, Spanned::new(span, inner));
        return;
    };
    let instances = table.remove("instances");
    let base = match table.remove("template") {
        Some(named) => chosen(&named, templates, report),
        None => key
            .get_ref()
            .split_once('@')
            .and_then(|(name, _)| templates.get(name)),
    };
    let name = key.get_ref().to_string();
    match instances {
        Some(list) => {
            let base = base.map_or_else(|| table.clone(), |base| over(base, &table));
            let instances = read(&name, &list, report);
            if instances.is_empty() {
                // What is wrong with it is told; that no service is declared would be an echo.
                insert((key, base), span, services, report);
                return;
            }
            for instance in instances {
                insert(derived(&base, instance, report), span.clone(), services, report);
            }
        }
        None => match base {
            Some(base) => {
                let index = index_in(base, &name);
                let instance = Instance {
                    key,
                    own: table,
                    index,
                };
                insert(derived(base, instance, report), span, services, report);
            }
            None => insert((key, table), span, services, report),
        },
    }
}

/// The instances that a template itself lists, unless they are declared on their own.
fn add_instances_of<'t>(name: &str, template: &DeTable<'t>, services: &mut DeTable<'t>, report: &Report<'_>) {
    let Some(list) = template.get("instances") else {
        return;
    };
    for instance in read(name, list, report) {
        if !services.contains_key(&**instance.key.get_ref()) {
            insert(derived(template, instance, report), list.span(), services, report);
        }
    }
}

fn insert<'t>(
    (key, table): (Key<'t>, DeTable<'t>),
    span: std::ops::Range<usize>,
    services: &mut DeTable<'t>,
    report: &Report<'_>,
) {
    if let Some((other, _)) = services.get_key_value(&**key.get_ref()) {
        let message = format!("`{}` is declared twice", key.get_ref());
        let help = format!(
            "it is also at {}; keep one of them",
            report.place(other.span().start)
        );
        report.add(Finding::new(key.span().start, message).help(help));
        return;
    }
    services.insert(key, Spanned::new(span, DeValue::Table(table)));
}

/// The template that a service names.
fn chosen<'s, 't>(
    named: &Spanned<DeValue<'t>>,
    templates: &'s Templates<'t>,
    report: &Report<'_>,
) -> Option<&'s DeTable<'t>> {
    let wrong = |message: String, help: String| {
        report.add(Finding::new(named.span().start, message).help(help));
        None
    };
    let Some(name) = named.get_ref().as_str() else {
        return wrong(
            "`template` wants a string".into(),
            "name a template, like \"watchdog\"".into(),
        );
    };
    templates.get(name).or_else(|| {
        let help = match nearest(name, templates.keys().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("declare it as [templates.{name}]"),
        };
        wrong(format!("no template is called `{name}`"), help)
    })
}

/// The instances of `name@…` that a list or a table names, in the order of the file.
fn read<'t>(name: &str, list: &Spanned<DeValue<'t>>, report: &Report<'_>) -> Vec<Instance<'t>> {
    let wrong = |at: usize, message: &str| {
        let help = "write [\"BTC\", \"ETH\"], or a table for each, like [services.NAME.instances.BTC]";
        report.add(Finding::new(at, message).help(help));
    };
    let mut named: Vec<(std::ops::Range<usize>, String, DeTable<'t>)> = Vec::new();
    match list.get_ref() {
        DeValue::Array(items) => {
            for item in items {
                let text = match item.get_ref() {
                    DeValue::String(text) => text.to_string(),
                    DeValue::Integer(number) => number.as_str().to_owned(),
                    _ => {
                        wrong(item.span().start, "an item of `instances` wants a string");
                        continue;
                    }
                };
                named.push((item.span(), text, DeTable::new()));
            }
        }
        DeValue::Table(table) => {
            for (key, own) in table {
                match own.get_ref().as_table() {
                    Some(own) => named.push((key.span(), key.get_ref().to_string(), own.clone())),
                    None => wrong(own.span().start, "an instance wants a table of what differs"),
                }
            }
            named.sort_by_key(|(span, ..)| span.start);
        }
        _ => wrong(
            list.span().start,
            "`instances` wants an array of strings, or a table of tables",
        ),
    }
    named
        .into_iter()
        .enumerate()
        .map(|(index, (span, instance, own))| Instance {
            key: Spanned::new(span, DeString::from(format!("{name}@{instance}"))),
            own,
            index: Some(index),
        })
        .collect()
}

/// Where a template that lists its instances has this one.
fn index_in(template: &DeTable<'_>, name: &str) -> Option<usize> {
    let instance = name.split_once('@')?.1;
    let list = template.get("instances")?.get_ref().as_array()?;
    list.iter()
        .position(|item| item.get_ref().as_str() == Some(instance))
}

/// What the instance means: the template's words and its own, with the names filled in.
fn derived<'t>(base: &DeTable<'t>, instance: Instance<'t>, report: &Report<'_>) -> (Key<'t>, DeTable<'t>) {
    let mut table = over(base, &instance.own);
    let name = instance.key.get_ref().to_string();
    if let Some((family, _)) = name.split_once('@').filter(|_| !table.contains_key("group")) {
        let span = instance.key.span();
        let group = DeValue::String(DeString::from(family.to_owned()));
        table.insert(
            Spanned::new(span.clone(), DeString::from("group")),
            Spanned::new(span, group),
        );
    }
    let mut words = Words {
        instance: name.split_once('@').map(|(_, instance)| instance),
        index: instance.index,
        port: None,
        name: &name,
    };
    if let Some(ports) = table.get_mut("ports") {
        words.fill_value(ports, report);
        words.port = computed(ports, report);
    }
    words.fill_table(&mut table, report);
    (instance.key, table)
}

/// One table's words over another's. `env` is joined by variable; everything else is replaced as a whole.
fn over<'t>(base: &DeTable<'t>, own: &DeTable<'t>) -> DeTable<'t> {
    let mut table = base.clone();
    table.remove("instances");
    for (key, value) in own {
        let joined = match (
            key.get_ref().as_ref(),
            table.get_mut("env").map(Spanned::get_mut),
            value.get_ref(),
        ) {
            ("env", Some(DeValue::Table(env)), DeValue::Table(more)) => {
                for (name, value) in more {
                    env.remove(&**name.get_ref());
                    env.insert(name.clone(), value.clone());
                }
                true
            }
            _ => false,
        };
        if !joined {
            table.remove(&**key.get_ref());
            table.insert(key.clone(), value.clone());
        }
    }
    table
}

/// Marks ports that are written as text, like `"8100+{index}"`, as sums. Answers the first port.
fn computed(ports: &mut Spanned<DeValue<'_>>, report: &Report<'_>) -> Option<String> {
    let DeValue::Array(items) = ports.get_mut() else {
        return None;
    };
    for item in items.iter_mut() {
        let at = item.span().start;
        let DeValue::String(text) = item.get_mut() else {
            continue;
        };
        match sum(text) {
            Some(port) => *text = DeString::from(format!("={port}")),
            None => {
                let message = format!("\"{text}\" is not a port");
                let help = "write a number or a sum between 1 and 65535, like \"8100+{index}\"";
                report.add(Finding::new(at, message).help(help));
                *text = DeString::from("=0");
            }
        }
    }
    match items.first()?.get_ref() {
        DeValue::Integer(number) => Some(number.as_str().to_owned()),
        DeValue::String(text) => text.strip_prefix('=').map(str::to_owned),
        _ => None,
    }
}

/// `8101`, or `8100+1`.
fn sum(text: &str) -> Option<u16> {
    let terms = text.split('+').map(|term| term.trim().parse::<u32>().ok());
    let sum = terms.sum::<Option<u32>>()?;
    u16::try_from(sum).ok().filter(|port| *port != 0)
}
