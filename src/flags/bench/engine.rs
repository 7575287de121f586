//! What the client library rumqttc cannot do, said before the first connection.

use super::{Bench, BenchError, EngineWord, ModeWord};
use crate::bench::payload::StampForm;
use crate::bench::plan::{Address, Engine, Plan};
use crate::packet::ProtocolVersion;

/// The shortest keep alive that the library takes with MQTT 5, in seconds.
const KEEP_ALIVE_MIN: u16 = 5;

impl Bench {
    pub(super) const fn engine(&self) -> Engine {
        match self.generator.engine {
            EngineWord::Own => Engine::Own,
            EngineWord::Rumqttc => Engine::Rumqttc,
        }
    }

    /// Refuses what the plan's engine cannot do.
    pub(super) fn check_engine(&self, plan: &Plan) -> Result<(), BenchError> {
        if plan.engine == Engine::Own {
            return Ok(());
        }
        let connection = &self.connection;
        let transport = &plan.transport;
        let layers = &transport.layers;
        let connect = &plan.identity.connect;
        let is_v5 = connect.version == ProtocolVersion::V5;
        let cannot = [
            (
                !matches!(self.mode, ModeWord::Run | ModeWord::Pub | ModeWord::Sub | ModeWord::Find),
                "modes other than run, pub, sub and find",
            ),
            (connect.version == ProtocolVersion::V31, "-V 31"),
            (self.tls.psk.is_some(), "--psk"),
            (layers.resumes_tls, "--tls-resume"),
            (layers.websocket.is_some(), "--ws"),
            (matches!(transport.address, Address::Unix(_)), "--unix"),
            (!transport.sources.is_empty(), "--bind"),
            (connection.no_quickack, "--no-quickack, which it always does"),
            (connection.sndbuf.is_some() || connection.rcvbuf.is_some(), "--sndbuf and --rcvbuf"),
            (connect.will.is_some(), "wills"),
            (!self.identity.property.is_empty(), "-D"),
            (is_v5 && connect.keep_alive < KEEP_ALIVE_MIN, "a keep alive below 5 s with MQTT 5"),
            (plan.load.lag_max.is_some(), "--max-lag"),
            (plan.message.stamp == StampForm::Property, "stamps in properties: try --stamp full or --size"),
            (plan.subscription.slow.is_some(), "--slow-consumer"),
            (plan.subscription.unsubscribe.is_some(), "--unsubscribe"),
            (self.subscribers.sub_id.is_some(), "--sub-id"),
        ];
        match cannot.into_iter().find(|(is_asked, _)| *is_asked) {
            Some((_, what)) => Err(BenchError::Engine(what)),
            None => Ok(()),
        }
    }
}
