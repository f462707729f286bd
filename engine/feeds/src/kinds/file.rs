//! The list itself.

use super::{Context, Gained};
use crate::fault::FetchFault;
use crate::http::{Answer, Ask, Validators};
use crate::state::State;

pub(super) async fn fetch(context: &Context<'_>, state: &State) -> Result<Gained, FetchFault> {
    let validators = if context.is_full { Validators::default() } else { state.validators.clone() };
    let ask = Ask { validators, ..Ask::get(context.http.home().clone()) };
    Ok(match context.http.ask(&ask).await? {
        Answer::NotModified => Gained::Unchanged(state.clone()),
        Answer::Whole(body) => Gained::Content(body.bytes, State { validators: body.validators, ..state.clone() }),
    })
}
