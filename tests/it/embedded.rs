//! The embedded Postgres: made whole or not at all, adopted, defended against a second engine, and clear
//! about everything that keeps it from running.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use respondby::store::embedded::{self, Binaries, EmbeddedConfig, EmbeddedError};
use sqlx::{Connection, PgConnection};
use tempfile::TempDir;

/// A directory that the unprivileged account of the server can reach too.
fn reachable() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    dir
}

fn config(dir: &Path) -> EmbeddedConfig {
    let quick = [("fsync", "off"), ("max_connections", "10")].map(|(n, v)| (n.to_owned(), v.to_owned()));
    EmbeddedConfig { data_dir: Some(dir.to_path_buf()), pg_bin_dir: None, settings: quick.to_vec() }
}

fn is_running(pid: u32) -> bool {
    fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|command| !command.is_empty())
}

/// The real binaries, with one of them replaced by a script.
fn binaries_with(dir: &Path, program: &str, script: &str) -> PathBuf {
    let real = Binaries::newest(None).unwrap();
    let bin = dir.join("bin");
    fs::create_dir(&bin).unwrap();
    for name in ["initdb", "postgres", "pg_ctl"] {
        if name == program {
            fs::write(bin.join(name), script).unwrap();
            fs::set_permissions(bin.join(name), fs::Permissions::from_mode(0o755)).unwrap();
        } else {
            std::os::unix::fs::symlink(real.path(name), bin.join(name)).unwrap();
        }
    }
    bin
}

#[tokio::test]
async fn a_server_is_started_held_adopted_and_stopped() {
    let dir = reachable();
    let first = embedded::start(config(dir.path())).await.unwrap();
    assert!(!first.adopted());
    let pid = first.postmaster_pid().unwrap();

    let mut conn = PgConnection::connect_with(&first.options()).await.unwrap();
    sqlx::query("create table kept (n int)").execute(&mut conn).await.unwrap();
    let listens: String = sqlx::query_scalar("show listen_addresses").fetch_one(&mut conn).await.unwrap();
    assert_eq!(listens, "", "reachable over the network");
    let checksums: String = sqlx::query_scalar("show data_checksums").fetch_one(&mut conn).await.unwrap();
    assert_eq!(checksums, "on");
    conn.close().await.unwrap();
    let mode = fs::metadata(dir.path().join("postgres/socket")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700, "the socket is open to others");

    let refused = embedded::start(config(dir.path())).await.unwrap_err().to_string();
    assert!(refused.contains(&format!("process id {}", std::process::id())), "{refused}");
    assert!(refused.contains("database.data_dir"), "{refused}");

    // An engine that is killed leaves its server; the next engine takes it over.
    drop(first);
    let second = embedded::start(config(dir.path())).await.unwrap();
    assert!(second.adopted());
    assert_eq!(second.postmaster_pid().unwrap(), pid);
    let mut conn = PgConnection::connect(&second.url()).await.unwrap();
    sqlx::query("insert into kept values (1)").execute(&mut conn).await.unwrap();
    second.stop().await.unwrap();
    assert!(!is_running(pid), "the server is still there after stop");

    let third = embedded::start(config(dir.path())).await.unwrap();
    assert!(!third.adopted());
    let mut conn = PgConnection::connect_with(&third.options()).await.unwrap();
    let kept: i64 = sqlx::query_scalar("select count(*) from kept").fetch_one(&mut conn).await.unwrap();
    assert_eq!(kept, 1);
    drop(conn);
    third.stop().await.unwrap();
}

#[tokio::test]
async fn an_initdb_that_is_killed_leaves_nothing_half_made() {
    let dir = reachable();
    let bin = binaries_with(
        dir.path(),
        "initdb",
        "#!/bin/sh\nmkdir -p \"$2/base\"; echo 15 >\"$2/PG_VERSION\"; kill -9 $$\n",
    );
    let data_dir = dir.path().join("engine");
    let broken = EmbeddedConfig { pg_bin_dir: Some(bin), ..config(&data_dir) };
    let error = embedded::start(broken).await.unwrap_err();
    assert!(
        matches!(&error, EmbeddedError::Program { program, .. } if program.ends_with("initdb")),
        "{error}"
    );
    assert!(!data_dir.join("postgres/data").exists(), "a half-made data directory is in place");

    // What a kill of the engine itself leaves behind is swept away by the next start.
    let left = data_dir.join("postgres/data.init.1");
    fs::create_dir(&left).unwrap();
    fs::write(left.join("PG_VERSION"), "15").unwrap();
    let running = embedded::start(config(&data_dir)).await.unwrap();
    assert!(!left.exists());
    running.stop().await.unwrap();
}

#[tokio::test]
async fn data_of_another_version_is_refused_with_both_versions_named() {
    let dir = reachable();
    let data = dir.path().join("postgres/data");
    let account_owned = embedded::start(config(dir.path())).await.unwrap();
    account_owned.stop().await.unwrap();
    fs::write(data.join("PG_VERSION"), "9\n").unwrap();
    let message = embedded::start(config(dir.path())).await.unwrap_err().to_string();
    let have = Binaries::newest(None).unwrap().major;
    assert!(message.contains("made by PostgreSQL 9"), "{message}");
    assert!(message.contains(&format!("{have} (")), "{message}");
    fs::write(data.join("PG_VERSION"), "a poem\n").unwrap();
    let message = embedded::start(config(dir.path())).await.unwrap_err().to_string();
    assert!(message.contains("a poem"), "{message}");
}

#[tokio::test]
async fn a_server_that_dies_at_once_is_reported_with_the_end_of_its_log() {
    let dir = reachable();
    let script = "#!/bin/sh\n[ \"$1\" = --version ] && echo 'postgres (PostgreSQL) 15.1' && exit\n\
                  echo 'FATAL: the disk is on fire' >&2; exit 3\n";
    let bin = binaries_with(dir.path(), "postgres", script);
    let init = binaries_with(
        &dir.path().join("bin"),
        "initdb",
        "#!/bin/sh\nmkdir -p \"$2\"; echo 15 >\"$2/PG_VERSION\"\n",
    );
    fs::remove_file(bin.join("initdb")).unwrap();
    fs::copy(init.join("initdb"), bin.join("initdb")).unwrap();
    let config = EmbeddedConfig { pg_bin_dir: Some(bin), ..config(&dir.path().join("engine")) };
    let message = embedded::start(config).await.unwrap_err().to_string();
    assert!(message.contains("exit status: 3") && message.contains("the disk is on fire"), "{message}");
}

#[tokio::test]
async fn a_data_directory_too_deep_for_a_socket_works_all_the_same() {
    let dir = reachable();
    let deep = dir.path().join("d".repeat(60)).join("e".repeat(60));
    let running = embedded::start(config(&deep)).await.unwrap();
    let socket_dir = running.options().get_socket().unwrap().clone();
    assert!(!socket_dir.starts_with(dir.path()), "{}", socket_dir.display());
    running.stop().await.unwrap();
    fs::remove_dir(socket_dir).unwrap();
}

#[tokio::test]
async fn a_process_id_file_of_a_dead_server_is_no_obstacle() {
    let dir = reachable();
    embedded::start(config(dir.path())).await.unwrap().stop().await.unwrap();
    let stale = dir.path().join("postgres/data/postmaster.pid");
    // The number of a process that is alive and no Postgres: ours.
    fs::write(
        &stale,
        format!("{}\n{}\n0\n5432\n/nowhere\n\n1 1\nready\n", std::process::id(), dir.path().display()),
    )
    .unwrap();
    let running = embedded::start(config(dir.path())).await.unwrap();
    assert!(!running.adopted());
    running.stop().await.unwrap();
}
