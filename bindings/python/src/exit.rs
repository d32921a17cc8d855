//! What happens to databases that are open when the interpreter ends.
//!
//! A thread that waits in a subscription while the interpreter is torn down could never come back
//! into Python. So `laminardb` closes all databases from `atexit`, when threads still can.

use std::sync::{Arc, Mutex, Weak};

use laminar_client::Database;
use pyo3::prelude::*;

static OPEN: Mutex<Vec<Weak<Database>>> = Mutex::new(Vec::new());

/// Notes that a database was opened.
pub fn note(database: &Arc<Database>) {
    let mut open = OPEN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    open.retain(|database| database.strong_count() > 0);
    open.push(Arc::downgrade(database));
}

/// Closes every database that is still open.
#[pyfunction]
pub fn close_all(py: Python<'_>) {
    py.detach(|| {
        let open =
            std::mem::take(&mut *OPEN.lock().unwrap_or_else(|poisoned| poisoned.into_inner()));
        for database in open.iter().filter_map(Weak::upgrade) {
            // There is nobody left to tell.
            let _ = database.close();
        }
    });
}
