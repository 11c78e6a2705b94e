//! `sqlx::migrate!` reads the folder at compile time, and cargo does not know that.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
