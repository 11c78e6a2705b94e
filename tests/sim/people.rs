//! What people order when they are asked. Sensible or not: the engine has to live with it.

use respondby::engine::Command;

use super::chance::Chance;

pub fn command(chance: &mut Chance) -> Command {
    let defend =
        |acknowledge_fee| Command::Defend { template: Some("plain".into()), reason: None, acknowledge_fee };
    match chance.number(0..9) {
        0 | 1 => Command::Accept,
        2 | 3 => defend(true),
        4 => defend(false),
        5 => Command::Hold { why: "asked to wait".into() },
        6 => Command::Resume,
        _ => Command::Approve,
    }
}
