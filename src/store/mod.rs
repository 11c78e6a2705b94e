//! The database: all the SQL there is, one file per noun. Connecting, the embedded server, migrations and
//! sealing are here too. Knows the pure modules and the providers' types; never the network, the HTTP
//! surface or the worker. Functions take the connection, so that the caller owns the transaction.

pub mod accounts;
pub mod actions;
pub mod alerts;
pub mod api_keys;
pub mod api_orders;
mod connect;
pub mod cycles;
pub mod deliveries;
pub mod disputes;
pub mod dossier;
pub mod embedded;
pub mod evidence;
pub mod facts;
pub mod fetches;
pub mod files;
pub mod ids;
pub mod merchants;
pub mod moved_clock;
pub mod polls;
pub mod rebuild;
pub mod rulesets;
pub mod seal;
pub mod turn;
pub mod vitals;
pub mod watermarks;

pub use connect::{
    MIGRATOR, MigrationError, OpenError, Opened, ReachError, connect, join, migrate, open,
    pending_migrations, snapshot,
};
