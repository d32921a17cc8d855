//! [`Affinity`]: the processor core that the database's own threads stay on.
//!
//! Pushes run on the threads that push, whose cores are the host's to choose; the database's own
//! threads are those of ad-hoc queries and of the timer.

use laminar_types::error::code;
use laminar_types::{Error, Result};

/// A core, or any.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Affinity(Option<core_affinity::CoreId>);

impl Affinity {
    /// The core of a number.
    ///
    /// # Errors
    /// `CONFIG` when this process cannot run on it.
    pub(crate) fn of(core: Option<usize>) -> Result<Self> {
        let Some(wanted) = core else { return Ok(Self(None)) };
        let cores = core_affinity::get_core_ids().unwrap_or_default();
        match cores.iter().find(|core| core.id == wanted) {
            Some(core) => Ok(Self(Some(*core))),
            None => {
                let known: Vec<String> = cores.iter().map(|core| core.id.to_string()).collect();
                Err(Error::new(
                    code::CONFIG,
                    format!(
                        "configuration key `core_affinity` cannot be `{wanted}`: this process can \
                         run on the cores {}",
                        known.join(", ")
                    ),
                ))
            }
        }
    }

    /// Keeps the current thread on the core. Where the system does not do so, it runs on any.
    pub(crate) fn apply(self) {
        if let Some(core) = self.0 {
            core_affinity::set_for_current(core);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_core_that_is_not_there_is_refused() {
        let error = Affinity::of(Some(1 << 20)).unwrap_err();
        assert_eq!(error.code(), code::CONFIG);
        assert!(error.message().contains("can run on the cores"), "{error}");
        assert!(Affinity::of(None).is_ok());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_thread_stays_on_its_core() {
        let core = core_affinity::get_core_ids().unwrap().pop().unwrap();
        let affinity = Affinity::of(Some(core.id)).unwrap();
        let allowed = std::thread::spawn(move || {
            affinity.apply();
            let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
            let line = status.lines().find(|line| line.starts_with("Cpus_allowed_list:"));
            line.unwrap().split_whitespace().last().unwrap().to_string()
        });
        assert_eq!(allowed.join().unwrap(), core.id.to_string());
    }
}
