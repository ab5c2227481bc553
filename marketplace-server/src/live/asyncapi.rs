//! The description of the frames (`AsyncAPI` 3), generated from their types: `docs/asyncapi.yaml`.

use marketplace_core::messaging::Delivery;
use serde_json::{Map, Value, json};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{RefOr, Schema},
};

use super::frames::{ClientFrame, FRAME_LIMIT, ServerFrame};

/// The frames that a client's frame is answered with.
const REPLIES: [(&str, &[&str]); 3] =
    [("hello", &["ready", "resync_required"]), ("send", &["ack", "error"]), ("ping", &["pong"])];

/// Returns the description of the WebSocket's frames.
#[must_use]
pub fn description() -> Value {
    let mut schemas = Vec::new();
    let mut messages = Map::new();
    let client = variants::<ClientFrame>(&mut schemas);
    let mut server = variants::<ServerFrame<'static>>(&mut schemas);
    server.extend(variants::<Delivery>(&mut schemas).into_iter().map(|(name, mut event)| {
        if let Some(properties) = event.get_mut("properties").and_then(Value::as_object_mut) {
            let about = "The position of this event in the log, for the next `hello`";
            properties.insert("cursor".to_owned(), json!({"type": "string", "description": about}));
        }
        if let Some(required) = event.get_mut("required").and_then(Value::as_array_mut) {
            required.push(json!("cursor"));
        }
        (name, event)
    }));
    for (side, frames) in [("client", &client), ("server", &server)] {
        for (name, payload) in frames {
            let summary = payload.get("description");
            messages.insert(key(side, name), json!({"name": name, "summary": summary, "payload": payload}));
        }
    }
    let all: Map<String, Value> =
        messages.keys().map(|key| (key.clone(), json!({"$ref": format!("#/components/messages/{key}")}))).collect();
    let channel = json!({"$ref": "#/channels/socket"});
    let of_channel =
        |side: &str, name: &str| json!({"$ref": format!("#/channels/socket/messages/{}", key(side, name))});
    let mut operations = Map::new();
    for (name, _) in &client {
        let mut operation = json!({"action": "receive", "channel": channel, "messages": [of_channel("client", name)]});
        let replies = REPLIES.iter().find(|(asked, _)| asked == name);
        if let (Some((_, replies)), Some(operation)) = (replies, operation.as_object_mut()) {
            let replies: Vec<Value> = replies.iter().map(|reply| of_channel("server", reply)).collect();
            operation.insert("reply".to_owned(), json!({"channel": channel, "messages": replies}));
        }
        operations.insert(key("client", name), operation);
    }
    for (name, _) in &server {
        let operation = json!({"action": "send", "channel": channel, "messages": [of_channel("server", name)]});
        operations.insert(key("server", name), operation);
    }
    let schemas: Map<String, Value> = schemas.into_iter().map(|(name, schema)| (name, value(&schema))).collect();
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Marketplace: the WebSocket",
            "version": env!("CARGO_PKG_VERSION"),
            "description": format!(
                "One socket carries all threads of a client or worker; see `docs/websocket.md`. Frames are text of at most \
                 {FRAME_LIMIT} bytes. A client begins with `hello`."
            ),
        },
        "defaultContentType": "application/json",
        "servers": {"local": {"host": "127.0.0.1:8080", "protocol": "ws", "security": [
            {"$ref": "#/components/securitySchemes/bearer"}, {"$ref": "#/components/securitySchemes/ticket"},
        ]}},
        "channels": {"socket": {
            "address": "/v1/ws",
            "messages": all,
            "bindings": {"ws": {"method": "GET", "query": {"type": "object", "properties": {
                "ticket": {"type": "string", "description": "A ticket of `POST /v1/ws/ticket`, for callers without an `Authorization` header"},
            }}}},
        }},
        "operations": operations,
        "components": {
            "messages": messages,
            "schemas": schemas,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
                "ticket": {"type": "httpApiKey", "in": "query", "name": "ticket"},
            },
        },
    })
}

fn key(side: &str, name: &str) -> String {
    format!("{side}_{name}")
}

fn value(schema: &RefOr<Schema>) -> Value {
    serde_json::to_value(schema).unwrap_or_default()
}

/// Returns the frames of an enum by their `type`, and adds the types that they refer to.
fn variants<T: PartialSchema + ToSchema>(schemas: &mut Vec<(String, RefOr<Schema>)>) -> Vec<(String, Value)> {
    T::schemas(schemas);
    let description = value(&T::schema());
    let name = |frame: &Value| frame.pointer("/properties/type/enum/0")?.as_str().map(str::to_owned);
    let frames = description.get("oneOf").and_then(Value::as_array).cloned().unwrap_or_default();
    frames.into_iter().filter_map(|frame| Some((name(&frame)?, frame))).collect()
}
