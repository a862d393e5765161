//! The settings of the log.

use clap::{Args, ValueEnum};
use tracing::level_filters::LevelFilter;

#[derive(Clone, Debug, Args)]
pub struct LogArgs {
    /// What to log: off, error, warn, info (refusals and their reasons) or debug (every request)
    #[arg(long, env = "DAPI_MOCK_LOG_LEVEL", default_value = "info", value_name = "LEVEL")]
    pub log_level: LogLevel,

    /// Format of the log
    #[arg(long, env = "DAPI_MOCK_LOG_FORMAT", default_value = "text", value_name = "FORMAT")]
    pub log_format: LogFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogLevel {
    Off,
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

impl LogLevel {
    /// The most detailed levels to log: of this program, and of libraries.
    pub const fn filters(self) -> (LevelFilter, LevelFilter) {
        match self {
            Self::Off => (LevelFilter::OFF, LevelFilter::OFF),
            Self::Error => (LevelFilter::ERROR, LevelFilter::ERROR),
            Self::Warn => (LevelFilter::WARN, LevelFilter::WARN),
            Self::Info => (LevelFilter::INFO, LevelFilter::WARN),
            Self::Debug => (LevelFilter::DEBUG, LevelFilter::INFO),
            Self::Trace => (LevelFilter::TRACE, LevelFilter::TRACE),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Lines for people
    Text,
    /// One JSON object per line
    Json,
}
