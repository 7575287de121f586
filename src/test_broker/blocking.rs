//! [`TestBroker`](super::TestBroker) for tests without a runtime.
//!
//! ```
//! use culex::test_broker::blocking::TestBroker;
//! use rumqttc::{Client, MqttOptions, QoS};
//!
//! let broker = TestBroker::start();
//! let (client, mut connection) = Client::new(MqttOptions::new("probe", broker.host(), broker.port()), 10);
//! let device = std::thread::spawn(move || connection.iter().take_while(Result::is_ok).for_each(drop));
//! client.publish("probe/state", QoS::AtLeastOnce, true, "ok").unwrap();
//!
//! let state = broker.one(broker.expect("probe/{what}").payload("ok").retain(true));
//! assert_eq!(state.captures()["what"], "state");
//! assert_eq!(broker.retained("#").len(), 1);
//! broker.settled();
//! client.disconnect().unwrap();
//! device.join().unwrap();
//! ```

use super::{Builder, Delivery, Expectation, Keep, Publication, Received, StartError};
use crate::journal::Record;
use std::future::Future;
use std::future::IntoFuture as _;
use std::ops::Deref;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

/// A broker for tests; everything that takes no time is that of [`super::TestBroker`], which this derefs to.
#[derive(Clone, Debug)]
pub struct TestBroker(super::TestBroker);

impl Deref for TestBroker {
    type Target = super::TestBroker;

    fn deref(&self) -> &super::TestBroker {
        &self.0
    }
}

impl TestBroker {
    /// Starts a broker on a free port of 127.0.0.1.
    ///
    /// # Panics
    ///
    /// When no socket or thread can be had.
    #[must_use]
    pub fn start() -> Self {
        Self(block_on(super::TestBroker::start()))
    }

    /// Starts a broker as it was built.
    ///
    /// # Errors
    ///
    /// Every [`StartError`].
    pub fn start_with(builder: Builder) -> Result<Self, StartError> {
        block_on(builder.start()).map(Self)
    }

    /// A proxy in front of the broker at `url`.
    ///
    /// # Errors
    ///
    /// As [`super::TestBroker::in_front_of`].
    pub fn in_front_of(url: &str) -> Result<Self, StartError> {
        block_on(super::TestBroker::in_front_of(url)).map(Self)
    }

    /// Publishes.
    ///
    /// # Panics
    ///
    /// When the message cannot be published.
    pub fn send(&self, publication: Publication) -> Delivery {
        block_on(publication.into_future())
    }

    /// Waits until `client` has acknowledged a message.
    ///
    /// # Panics
    ///
    /// When that takes too long.
    pub fn acked_by(&self, delivery: Delivery, client: &str) -> Delivery {
        block_on(delivery.acked_by(client))
    }

    /// Waits for an expected message.
    ///
    /// # Panics
    ///
    /// When none comes in time.
    pub fn one(&self, expectation: Expectation) -> Received {
        block_on(expectation.one())
    }

    /// Waits until the broker has settled and sees that there is no such message.
    ///
    /// # Panics
    ///
    /// When there is one.
    pub fn none_when_settled(&self, expectation: Expectation) {
        block_on(expectation.none_when_settled());
    }

    /// Waits until nothing is on its way any more.
    ///
    /// # Panics
    ///
    /// When that takes too long.
    pub fn settled(&self) {
        block_on(self.0.settled());
    }

    /// Waits until a client has been let in.
    ///
    /// # Panics
    ///
    /// When that takes too long.
    pub fn connected(&self, client: &str) -> Arc<Record> {
        block_on(self.0.client(client).connected())
    }

    /// Waits until a client has subscribed.
    ///
    /// # Panics
    ///
    /// When that takes too long.
    pub fn subscribed(&self, client: &str, filter: &str) -> Arc<Record> {
        block_on(self.0.client(client).subscribed(filter))
    }

    /// Waits until a client's connection has ended.
    ///
    /// # Panics
    ///
    /// When that takes too long.
    pub fn disconnected(&self, client: &str) -> Arc<Record> {
        block_on(self.0.client(client).disconnected())
    }

    /// Stops and starts the broker.
    ///
    /// # Errors
    ///
    /// As [`super::TestBroker::restart`].
    pub fn restart(&self, keep: Keep) -> Result<(), StartError> {
        block_on(self.0.restart(keep))
    }

    /// Lets everything come to its end, as [`super::TestBroker::shutdown`], and ends the broker.
    pub fn shutdown(self) {
        block_on(self.0.shutdown());
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Runs a future of this module, all of which are woken by the broker's own thread.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(value) => return value,
            Poll::Pending => thread::park(),
        }
    }
}
