//! Which sockets woke the driver.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Wake, Waker};

/// What can be ready.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Source {
    /// The listener at this index.
    Listener(u32),
    /// The connection at this index.
    Connection(u32),
    /// A handshake that has ended.
    Handshakes,
}

#[derive(Debug, Default)]
struct Shared {
    sources: Vec<Source>,
    /// Wakes the driver; taken when it has been used, so that a burst wakes it once.
    driver: Option<Waker>,
}

/// The sources that have become ready since the driver last looked, each once.
///
/// Each socket has a waker of its own that adds its source here and wakes the one driver: a turn touches the sockets
/// that are ready and no others, and there is no task, channel or lock per connection.
#[derive(Clone, Debug, Default)]
pub(super) struct ReadyList {
    shared: Arc<Mutex<Shared>>,
}

impl ReadyList {
    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The waker of `source`.
    pub(super) fn source(&self, source: Source) -> SourceWaker {
        let inner = Arc::new(Inner { list: self.clone(), source, is_listed: AtomicBool::new(false) });
        SourceWaker { waker: Waker::from(Arc::clone(&inner)), inner }
    }

    /// Moves what is ready into `sources` and lets `driver` be woken for what comes next.
    pub(super) fn take(&self, sources: &mut Vec<Source>, driver: &Waker) {
        let mut shared = self.lock();
        sources.append(&mut shared.sources);
        match &mut shared.driver {
            Some(waker) => waker.clone_from(driver),
            none => *none = Some(driver.clone()),
        }
    }

    /// Wakes the driver without a source.
    pub(super) fn wake_driver(&self) {
        let driver = self.lock().driver.take();
        if let Some(driver) = driver {
            driver.wake();
        }
    }
}

#[derive(Debug)]
struct Inner {
    list: ReadyList,
    source: Source,
    is_listed: AtomicBool,
}

impl Wake for Inner {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.is_listed.swap(true, Ordering::AcqRel) {
            return;
        }
        let driver = {
            let mut shared = self.list.lock();
            shared.sources.push(self.source);
            shared.driver.take()
        };
        if let Some(driver) = driver {
            driver.wake();
        }
    }
}

/// A source's waker, and the mark that it is in the list.
#[derive(Debug)]
pub(super) struct SourceWaker {
    waker: Waker,
    inner: Arc<Inner>,
}

impl SourceWaker {
    /// To register with a socket.
    pub(super) const fn waker(&self) -> &Waker {
        &self.waker
    }

    /// The driver has taken the source from the list; from now on it can be listed again.
    pub(super) fn is_taken(&self) {
        self.inner.is_listed.store(false, Ordering::Release);
    }

    /// Lists the source by hand: there is more to do for it in the next turn.
    pub(super) fn again(&self) {
        self.waker.wake_by_ref();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_burst_lists_each_source_once_and_wakes_the_driver_once() {
        let count = Arc::new(Count::default());
        let driver = Waker::from(Arc::clone(&count));
        let list = ReadyList::default();
        let mut taken = Vec::new();
        list.take(&mut taken, &driver);
        let sources = [Source::Listener(0), Source::Connection(7)].map(|source| list.source(source));
        for _ in 0..3 {
            sources.iter().for_each(SourceWaker::again);
        }
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
        list.take(&mut taken, &driver);
        assert_eq!(taken, [Source::Listener(0), Source::Connection(7)]);

        sources[1].is_taken();
        sources[0].again();
        sources[1].again();
        taken.clear();
        list.take(&mut taken, &driver);
        assert_eq!(taken, [Source::Connection(7)], "what was not handled yet is not listed twice");
        assert_eq!(count.0.load(Ordering::Relaxed), 2);
    }
}
