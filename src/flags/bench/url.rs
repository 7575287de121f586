//! `--url`, and `MQTT_URL`: several options in one word.

use super::{Bench, ModeWord};
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgMatches, Command};

impl Bench {
    /// Lets the URL stand for the options that it says more shortly; those of the command line go before the
    /// environment's URL, and beside one of the command line they make no sense.
    pub(super) fn take_url(
        &mut self,
        command: &mut Command,
        matches: &ArgMatches,
    ) -> Result<(), clap::Error> {
        let is_given = |id: &str| matches.value_source(id) == Some(ValueSource::CommandLine);
        let is_elsewhere = is_given("host") || is_given("port") || is_given("unix");
        if is_given("url") && is_elsewhere {
            let text = "--url says where the broker is, so --host, --port and --unix cannot";
            return Err(command.error(ErrorKind::ArgumentConflict, text));
        }
        let is_in_process = self.connection.embedded || self.mode == ModeWord::Calibrate;
        let Some(url) = self.connection.url.clone().filter(|_| !is_elsewhere && !is_in_process) else {
            return Ok(());
        };
        self.connection.host = url.host;
        self.connection.port = url.port;
        self.connection.websocket |= url.websocket;
        self.tls.tls |= url.tls;
        if let Some(path) = url.path.filter(|_| !is_given("ws_path")) {
            self.connection.ws_path = path;
        }
        // As they are, not as templates.
        let verbatim = |text: Option<String>| text.map(|text| text.replace('%', "%%"));
        if !is_given("username") && url.user.is_some() {
            self.identity.username = verbatim(url.user);
            if !is_given("password") {
                self.identity.password = verbatim(url.password);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::bench::plan::{Address, Plan};
    use crate::flags::Bench;

    fn plan(words: &str) -> Result<Plan, String> {
        let argv = ["culex-bench"].into_iter().chain(words.split_whitespace());
        let (flags, _) = Bench::read(argv.map(Into::into)).map_err(|error| error.to_string())?;
        flags.plan(1).map_err(|error| error.to_string())
    }

    #[test]
    fn url_stands_for_host_port_layers_and_credentials() {
        let plan = plan("--url wss://me:100%@broker:443").unwrap();
        assert_eq!(plan.transport.address, Address::Tcp("broker".to_owned(), 443));
        assert!(plan.transport.layers.tls.is_some() && plan.transport.layers.websocket.is_some());
        let connect = plan.connect(plan.members().next().unwrap());
        assert_eq!(connect.user_name.as_deref(), Some("me"));
        assert_eq!(connect.password.as_deref(), Some(&b"100%"[..]));
    }

    #[test]
    fn url_beside_a_host_is_refused() {
        assert!(plan("--url mqtt://a -h b").unwrap_err().contains("--url says where"));
        assert!(plan("--url mqtt://a --embedded").unwrap_err().contains("--url does nothing"));
    }
}
