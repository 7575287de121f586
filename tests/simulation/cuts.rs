//! One conversation, cut at byte n in either direction, for every n.

use crate::plan::Plan;
use crate::world::{Direction, World};
use culex::packet::Qos;

/// Two clients publish at every QoS to each other; cut where `cut_at` says.
fn converse(seed: u64, cut_at: Option<(Direction, usize)>) -> Result<[usize; 2], String> {
    let mut world = World::new(&Plan { seed, clients: 2, steps: 0, faults: 0 }, false);
    world.cut_at = cut_at;
    world.settle()?;
    for qos in [Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce] {
        for client in [0, 1] {
            world.publish_as(client, 0, qos)?;
        }
        world.round()?;
    }
    world.settle()?;
    world.check_end()?;
    Ok(world.carried)
}

pub(crate) fn at_every_byte() {
    for seed in 0..4 {
        let carried = converse(seed, None).unwrap();
        for direction in [Direction::Up, Direction::Down] {
            for place in 1..=carried[direction as usize] {
                let outcome = converse(seed, Some((direction, place)));
                assert!(outcome.is_ok(), "seed {seed}, {direction:?} cut at {place}: {outcome:?}");
            }
        }
    }
}
