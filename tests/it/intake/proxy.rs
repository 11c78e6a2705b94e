//! Stands between the writers and the database: can be cut, and mended.

use std::path::PathBuf;

use sqlx::postgres::{PgConnectOptions, PgPool};
use tempfile::TempDir;
use tokio::io::copy_bidirectional;
use tokio::net::{UnixListener, UnixStream};
use tokio::task::{JoinHandle, JoinSet};

const SOCKET: &str = ".s.PGSQL.5432";

pub struct Proxy {
    dir: TempDir,
    behind: PathBuf,
    running: Option<JoinHandle<()>>,
}

impl Proxy {
    /// In front of the pool's database, and working.
    pub fn before(pool: &PgPool) -> Self {
        let options = pool.connect_options();
        let behind = options.get_socket().expect("the cluster of the tests has a socket").join(SOCKET);
        let mut proxy = Self { dir: tempfile::tempdir().unwrap(), behind, running: None };
        proxy.mend();
        proxy
    }

    pub fn options(&self, pool: &PgPool) -> PgConnectOptions {
        (*pool.connect_options()).clone().socket(self.dir.path())
    }

    pub fn mend(&mut self) {
        let path = self.dir.path().join(SOCKET);
        _ = std::fs::remove_file(&path);
        let listener = UnixListener::bind(path).unwrap();
        let behind = self.behind.clone();
        self.running = Some(tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((mut near, _)) = listener.accept().await {
                let behind = behind.clone();
                connections.spawn(async move {
                    let mut far = UnixStream::connect(behind).await.unwrap();
                    // Either end may go as it likes.
                    _ = copy_bidirectional(&mut near, &mut far).await;
                });
            }
        }));
    }

    /// Breaks every connection; new ones are refused.
    pub async fn cut(&mut self) {
        let running = self.running.take().expect("it was working");
        running.abort();
        _ = running.await;
    }
}
