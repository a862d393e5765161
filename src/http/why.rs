//! A refusal in words, for whoever runs the server: more than the wire says.

use super::error::{ApiError, wire};
use super::redaction;
use crate::domain::Denial;
use crate::domain::authorize::Step;
use crate::domain::explain::{Why, remedy};
use crate::domain::settings::ErrorTexts;

/// Why a request was refused whose checks these are.
pub fn why(denial: &Denial, trace: &[Step], request_id: &str, texts: ErrorTexts) -> Why {
    let step = trace.last().filter(|step| !step.passed);
    let message = redaction::line(&wire(&ApiError::Denied(denial.clone()), request_id, texts).text());
    let because = match denial {
        Denial::OAuth(refusal) => refusal.cause(),
        _ => step.map(|step| step.because.as_str()),
    };
    let because = because.unwrap_or(&message).to_owned();
    Why { message, because, remedy: redaction::line(&remedy(denial, step)) }
}
