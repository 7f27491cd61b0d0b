//! Credentials that run out, or are late, while something at AWS goes on.

use crate::clients::aws::{Aws, AwsError, Trouble};
use crate::execute::Emitter;
use crate::failure::Failure;

/// What is told of it.
pub(super) const RENEWED: &str = "the AWS credentials ran out and were searched for anew";
/// Looks in a row without credentials after which a run gives up. With pauses of 5 to 15 s, and as long tries to get some, it
/// is some minutes: the time for which the last ones would still have been good.
const WITHOUT: u32 = 10;

/// One call of a step. Where the credentials ran out before it, they are searched for anew and it is made again: a refusal
/// for them has no effect, also of what must not be sent twice.
pub(super) async fn asked<T>(
    aws: &Aws,
    events: &mut Emitter,
    mut call: impl AsyncFnMut() -> Result<T, AwsError>,
) -> Result<T, AwsError> {
    match call().await {
        Err(error) if error.trouble == Trouble::Expired => {
            if let Err(failure) = aws.renew().await {
                events.note(format!("the AWS credentials ran out, and there are no others: {failure}"));
                return Err(error);
            }
            events.note(RENEWED);
            call().await
        }
        answer => answer,
    }
}

/// The credentials of a run that looks again and again.
#[derive(Debug, Default)]
pub(super) struct Keys {
    /// True while ones that were just renewed are tried.
    renewed: bool,
    /// Looks in a row that had none.
    without: u32,
}

/// What to expect of the next look, as far as credentials go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hope {
    /// They ran out, and were searched for anew.
    Renewed,
    /// Whoever gives them gave none this time, and may be away for a while.
    Late,
    /// They are not what is wrong, or nobody gives any.
    Nothing,
}

impl Keys {
    /// After a look that failed. Ones that ran out are searched for anew, once for each time they do.
    ///
    /// # Errors
    /// That search failed.
    pub(super) async fn trouble(&mut self, error: &AwsError, aws: &Aws) -> Result<Hope, Failure> {
        if error.trouble == Trouble::Expired && !self.renewed {
            self.renewed = true;
            aws.renew().await?;
            return Ok(Hope::Renewed);
        }
        self.without = if error.has_no_credentials() { self.without + 1 } else { 0 };
        Ok(if (1..WITHOUT).contains(&self.without) { Hope::Late } else { Hope::Nothing })
    }

    /// What a look gave, where it gave anything: one of several, that may come to nothing.
    pub(super) async fn heard<T>(&mut self, found: Result<T, AwsError>, aws: &Aws, events: &mut Emitter) -> Option<T> {
        match found {
            Ok(found) => Some(found),
            Err(error) => {
                if let Ok(Hope::Renewed) = self.trouble(&error, aws).await {
                    events.note(RENEWED);
                }
                None
            }
        }
    }

    /// After a look that succeeded.
    pub(super) fn work(&mut self) {
        *self = Self::default();
    }
}
