//! The files of the pages, inside the binary: what is served is what was tested.

use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};

const JS: &str = "text/javascript; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";

/// Name, type and content.
const FILES: [(&str, &str, &str); 18] = [
    ("app.css", CSS, include_str!("../assets/app.css")),
    ("tape.css", CSS, include_str!("../assets/tape.css")),
    ("system.css", CSS, include_str!("../assets/system.css")),
    ("theme.js", JS, include_str!("../assets/theme.js")),
    ("tape_page.js", JS, include_str!("../assets/tape_page.js")),
    ("remote_stream.js", JS, include_str!("../assets/remote_stream.js")),
    ("stream_worker.js", JS, include_str!("../assets/stream_worker.js")),
    ("batch.js", JS, include_str!("../assets/batch.js")),
    ("stream.js", JS, include_str!("../assets/stream.js")),
    ("tape.js", JS, include_str!("../assets/tape.js")),
    ("tape_rows.js", JS, include_str!("../assets/tape_rows.js")),
    ("symbol_card.js", JS, include_str!("../assets/symbol_card.js")),
    ("chart.js", JS, include_str!("../assets/chart.js")),
    ("system_page.js", JS, include_str!("../assets/system_page.js")),
    ("service_row.js", JS, include_str!("../assets/service_row.js")),
    ("log_panel.js", JS, include_str!("../assets/log_panel.js")),
    ("actions.js", JS, include_str!("../assets/actions.js")),
    ("icon.svg", "image/svg+xml", include_str!("../assets/icon.svg")),
];

/// `GET /assets/{name}`. A browser keeps a file and asks whether it changed, so that a new binary
/// never meets old scripts.
pub async fn asset(Path(name): Path<String>, headers: HeaderMap) -> Response {
    let Some((_, kind, content)) = FILES.iter().find(|(known, ..)| *known == name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let tag = tag(content);
    let known = headers.get(header::IF_NONE_MATCH);
    let caching = [
        (header::ETAG, tag.clone()),
        (header::CACHE_CONTROL, "no-cache".into()),
    ];
    if known.is_some_and(|known| known.as_bytes() == tag.as_bytes()) {
        return (StatusCode::NOT_MODIFIED, caching).into_response();
    }
    (caching, [(header::CONTENT_TYPE, *kind)], *content).into_response()
}

/// FNV-1a: names a content; nobody has a reason to forge one.
fn tag(content: &str) -> String {
    let hash = content.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("\"{hash:016x}\"")
}
