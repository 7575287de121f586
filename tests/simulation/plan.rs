//! What a seed stands for, how it is made smaller, and how it is written down.

use crate::random::Random;
use crate::world::World;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::{fmt, str::FromStr};

/// A run: everything else follows from these numbers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) clients: usize,
    pub(crate) steps: usize,
    /// Cuts, silences and clock jumps at most.
    pub(crate) faults: usize,
}

impl Plan {
    pub(crate) fn of_seed(seed: u64) -> Self {
        let mut random = Random::new(seed ^ 0xC01E_7000);
        Self {
            seed,
            clients: random.between(1, 4),
            steps: random.between(20, 600),
            faults: random.one_of(&[0, 1, 2, 5, 20]),
        }
    }

    /// Runs to the end or to the first broken promise, which is also a panic of what is under test.
    pub(crate) fn run(&self) -> Result<(), String> {
        self.world(false).1
    }

    pub(crate) fn traced(&self) -> (Vec<String>, Result<(), String>) {
        let (world, outcome) = self.world(true);
        (world.map_or_else(Vec::new, |world| world.into_trace()), outcome)
    }

    pub(crate) fn digest(&self) -> u64 {
        self.world(false).0.map_or(0, |world| world.digest())
    }

    fn world(&self, is_traced: bool) -> (Option<World>, Result<(), String>) {
        let run = catch_unwind(AssertUnwindSafe(|| {
            let mut world = World::new(self, is_traced);
            let outcome = world.run(self);
            (world, outcome)
        }));
        match run {
            Ok((world, outcome)) => (Some(world), outcome),
            Err(panic) => {
                let text = panic.downcast_ref::<String>().cloned();
                let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
                (None, Err(format!("panic: {}", text.unwrap_or_default())))
            }
        }
    }

    /// Every plan that is one notch smaller, the boldest first.
    fn smaller(self) -> impl Iterator<Item = Self> {
        let clients = (1..self.clients).map(move |clients| Self { clients, ..self });
        let faults = [0, self.faults / 2, self.faults.saturating_sub(1)];
        let faults = faults.into_iter().map(move |faults| Self { faults, ..self });
        let steps = [
            self.steps / 4,
            self.steps / 2,
            self.steps * 3 / 4,
            self.steps * 9 / 10,
            self.steps.saturating_sub(1),
        ];
        let steps = steps.into_iter().map(move |steps| Self { steps, ..self });
        clients.chain(faults).chain(steps).filter(move |plan| *plan != self)
    }

    /// The smallest plan of this seed that still fails, and how.
    pub(crate) fn shrink(self, failure: String) -> (Self, String) {
        let mut smallest = (self, failure);
        while let Some(next) =
            smallest.0.smaller().find_map(|plan| plan.run().err().map(|failure| (plan, failure)))
        {
            smallest = next;
        }
        smallest
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{},{},{},{}", self.seed, self.clients, self.steps, self.faults)
    }
}

impl FromStr for Plan {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers: Vec<u64> = text.split(',').filter_map(|part| part.trim().parse().ok()).collect();
        let &[seed, clients, steps, faults] = &numbers[..] else {
            return Err(format!("{text:?} is not seed,clients,steps,faults"));
        };
        let small = |number: u64| usize::try_from(number).map_err(|error| error.to_string());
        Ok(Self { seed, clients: small(clients)?.max(1), steps: small(steps)?, faults: small(faults)? })
    }
}
