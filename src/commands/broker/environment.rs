//! Where the broker is found: what the command of `--exec` sees in its environment, and `--print-env` prints.

use super::plan::Plan;
use crate::flags::EnvironmentForm;
use crate::net::server::ListenPlan;
use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

/// Names and values.
pub(super) type Environment = Vec<(&'static str, String)>;

/// How clients of a listener speak.
fn scheme(listener: &ListenPlan) -> (&'static str, &'static str) {
    match (listener.tls.is_some(), listener.websocket.is_some()) {
        (false, false) => ("MQTT_URL", "mqtt"),
        (true, false) => ("MQTTS_URL", "mqtts"),
        (false, true) => ("MQTT_WS_URL", "ws"),
        (true, true) => ("MQTT_WSS_URL", "wss"),
    }
}

/// What a client needs to know, for the first listener of each kind.
pub(super) fn environment(
    plan: &Plan,
    addresses: &[(usize, SocketAddr)],
    ca_file: Option<&Path>,
) -> Environment {
    let mut environment = Environment::new();
    let listeners = &plan.settings.listeners;
    let kinds =
        addresses.iter().filter_map(|(index, address)| Some((scheme(listeners.get(*index)?), address)));
    let plain = kinds.clone().find(|((name, _), _)| *name == "MQTT_URL").or_else(|| kinds.clone().next());
    if let Some((_, address)) = plain {
        environment.push(("MQTT_HOST", host(address)));
        environment.push(("MQTT_PORT", address.port().to_string()));
    }
    for ((name, scheme), address) in kinds {
        if environment.iter().all(|(known, _)| *known != name) {
            let (host, port) = (host(address), address.port());
            let host = if host.contains(':') { format!("[{host}]") } else { host };
            let path = if scheme.starts_with("ws") { "/mqtt" } else { "" };
            environment.push((name, format!("{scheme}://{host}:{port}{path}")));
        }
    }
    if let Some((name, password)) = plan.flags.user.first().and_then(|user| user.split_once(':')) {
        environment.push(("MQTT_USERNAME", name.to_owned()));
        environment.push(("MQTT_PASSWORD", password.to_owned()));
    }
    if let Some(ca_file) = ca_file {
        environment.push(("MQTT_CA_FILE", ca_file.display().to_string()));
    }
    environment
}

fn host(address: &SocketAddr) -> String {
    match address.ip() {
        host if host.is_unspecified() => "127.0.0.1".to_owned(),
        IpAddr::V6(host) => host.to_string(),
        IpAddr::V4(host) => host.to_string(),
    }
}

/// The environment in a form that others read.
pub(super) fn print(environment: &Environment, form: EnvironmentForm) -> String {
    let mut text = String::new();
    for (name, value) in environment {
        // Writing to a string does not fail.
        let _ = match form {
            EnvironmentForm::Sh => writeln!(text, "export {name}='{}'", value.replace('\'', "'\\''")),
            EnvironmentForm::Fish => {
                let value = value.replace('\\', "\\\\").replace('\'', "\\'");
                writeln!(text, "set -gx {name} '{value}'")
            }
            EnvironmentForm::Github => writeln!(text, "{name}={value}"),
            EnvironmentForm::Json => Ok(()),
        };
    }
    if form == EnvironmentForm::Json {
        let object: serde_json::Map<_, _> =
            environment.iter().map(|(name, value)| ((*name).to_owned(), value.as_str().into())).collect();
        let _ = writeln!(text, "{}", serde_json::Value::from(object));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_quotes_what_is_special_in_it() {
        let environment = vec![("MQTT_HOST", "::1".to_owned()), ("MQTT_CA_FILE", "/tmp/it's\\\"".to_owned())];
        let print = |form| print(&environment, form);
        assert_eq!(
            print(EnvironmentForm::Sh),
            "export MQTT_HOST='::1'\nexport MQTT_CA_FILE='/tmp/it'\\''s\\\"'\n"
        );
        assert_eq!(
            print(EnvironmentForm::Fish),
            "set -gx MQTT_HOST '::1'\nset -gx MQTT_CA_FILE '/tmp/it\\'s\\\\\"'\n"
        );
        assert_eq!(print(EnvironmentForm::Github), "MQTT_HOST=::1\nMQTT_CA_FILE=/tmp/it's\\\"\n");
        let json = "{\"MQTT_HOST\":\"::1\",\"MQTT_CA_FILE\":\"/tmp/it's\\\\\\\"\"}\n";
        assert_eq!(print(EnvironmentForm::Json), json);
    }
}
