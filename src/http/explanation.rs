//! Explains a refusal to whoever runs the server, who may know more than the wire says. The remedy is decided in
//! `domain::explain`.

use crate::domain::Denial;
use crate::domain::authorize::{Demand, Parties, Step};
use crate::domain::explain::{Explanation, RefusedRequest, Remedy, RemedyStep};
use crate::domain::settings::ErrorTexts;
use crate::http::error::wire;
use crate::http::redaction;

/// Explains a refusal by the checks that ran. The last argument is the request's id and the texts of the answer.
pub fn why(
    denial: &Denial,
    trace: &[Step],
    demand: Demand,
    parties: &Parties,
    (request_id, texts): (&str, ErrorTexts),
) -> Explanation {
    let step = trace.last().filter(|step| !step.passed);
    let message = redaction::line(&wire(&denial.clone().into(), texts).text(request_id));
    let because = match denial {
        Denial::OAuth(refusal) => refusal.cause(),
        _ => step.map(|step| step.because.as_str()),
    };
    let because = because.unwrap_or(&message).to_owned();
    let Remedy { text, steps } = RefusedRequest { denial, step, demand, parties }.remedy();
    let steps = if holds_secret(&steps) { Vec::new() } else { steps };
    Explanation { message, because, remedy: redaction::line(&text), steps }
}

/// The steps repeat names that the client sent, and somebody may have sent a secret as a name.
fn holds_secret(steps: &[RemedyStep]) -> bool {
    let text = serde_json::to_string(steps).unwrap_or_default();
    redaction::line(&text) != text
}
