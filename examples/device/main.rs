//! A counter that lives on MQTT, as a device under test: it adds what it is told to and says what it has. Three bugs that
//! devices really have can be switched on, and the scenarios beside this file find each of them.
//!
//! `culex-check run examples/device --var device=PATH --var bug=none`; tests/check_device.rs runs it so.

use rumqttc::{Client, Connection, Event, LastWill, MqttOptions, Packet, QoS};
use std::collections::HashSet;
use std::env;
use std::error::Error;
use std::thread;
use std::time::Duration;

/// How long it rests before it connects again.
const PAUSE: Duration = Duration::from_millis(10);

/// What is wrong with it.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Bug {
    None,
    /// After a broken connection it begins anew and forgets what it had not been able to send.
    NoResend,
    /// It leaves no will.
    NoWill,
    /// It counts a QoS 1 command as often as it comes.
    Twice,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let id = arguments.next().ok_or("the first argument is its name")?;
    let bug = match arguments.next().as_deref() {
        None | Some("none") => Bug::None,
        Some("no-resend") => Bug::NoResend,
        Some("no-will") => Bug::NoWill,
        Some("twice") => Bug::Twice,
        Some(other) => return Err(format!("there is no bug '{other}'").into()),
    };
    let mut options = MqttOptions::new(&id, env::var("MQTT_HOST")?, env::var("MQTT_PORT")?.parse()?);
    options.set_clean_session(false);
    if bug != Bug::NoWill {
        options.set_last_will(LastWill::new(format!("state/{id}"), "offline", QoS::AtLeastOnce, true));
    }
    let device = Device { id, bug };
    let mut connection = Client::new(options.clone(), 10);
    let (mut total, mut handled) = (0, HashSet::new());
    loop {
        let event = match connection.1.recv() {
            Ok(Ok(event)) => event,
            // Polled on, the same client connects again and sends what was not acknowledged.
            _ => {
                if bug == Bug::NoResend {
                    connection = Client::new(options.clone(), 10);
                }
                thread::sleep(PAUSE);
                continue;
            }
        };
        device.take(&event, &connection, &mut total, &mut handled)?;
    }
}

struct Device {
    id: String,
    bug: Bug,
}

impl Device {
    fn take(
        &self,
        event: &Event,
        (client, _): &(Client, Connection),
        total: &mut i64,
        handled: &mut HashSet<String>,
    ) -> Result<(), Box<dyn Error>> {
        let id = &self.id;
        match event {
            Event::Incoming(Packet::ConnAck(_)) => {
                client.try_subscribe(format!("add/{id}"), QoS::AtLeastOnce)?;
                client.try_publish(format!("state/{id}"), QoS::AtLeastOnce, true, "online")?;
            }
            // A command is its number and what to add: `7 5`.
            Event::Incoming(Packet::Publish(message)) => {
                let command = String::from_utf8(message.payload.to_vec())?;
                let (number, amount) = command.split_once(' ').ok_or("a command is two numbers")?;
                if handled.insert(number.to_owned()) || self.bug == Bug::Twice {
                    *total += amount.parse::<i64>()?;
                    client.try_publish(format!("total/{id}"), QoS::AtLeastOnce, false, total.to_string())?;
                }
            }
            _ => {}
        }
        Ok(())
    }
}
