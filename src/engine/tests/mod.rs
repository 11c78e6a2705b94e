//! The adversary of the engine: a simulated world, promises checked after every input, scenarios as text
//! tables that a reviewer checks without running them, and random histories.

mod acting;
mod approvals;
mod histories;
mod late;
mod money;
mod people;
mod random;
mod reasons;
mod table;
mod watch;
mod windows;
mod world;
