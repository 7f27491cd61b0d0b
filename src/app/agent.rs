//! The verbs for the agent's host.

use crate::agent::doctor::{Finding, Seen, doctor};
use crate::agent::serve::serve;
use crate::cli::AgentCommand;
use crate::domain::{Reason, one_line};
use crate::env::Env;
use crate::execute::Cancel;
use crate::failure::Failure;
use crate::report::Out;
use crate::signing::AgentKey;

pub(super) async fn run(command: &AgentCommand, env: &Env, cancel: Cancel) -> Result<(), Failure> {
    match command {
        AgentCommand::Keygen { agent_id, key_id } => {
            let key = AgentKey::generate(agent_id, key_id)
                .map_err(|error| Failure::new(Reason::Usage, "no key can be made").because(error))?;
            Out.text(&keygen(&key));
            Ok(())
        }
        // A swap in progress is not waited for: its journal is on disk, and the next start goes on from there.
        AgentCommand::Serve { config } => tokio::select! {
            served = serve(config, env) => served,
            () = cancel.first() => Ok(()),
        },
        AgentCommand::Doctor { config } => {
            let findings = doctor(config, env).await?;
            Out.text(&examined(&findings));
            if findings.iter().all(|finding| !matches!(finding.seen, Seen::Bad(..))) {
                return Ok(());
            }
            Err(Failure::new(Reason::StateUnusable, "the agent cannot work like this")
                .hint("each line above that fails names the command that mends it"))
        }
    }
}

/// A line per finding, and the command that mends it below each bad one.
fn examined(findings: &[Finding]) -> String {
    let line = |finding: &Finding| match &finding.seen {
        Seen::Good(text) => format!("ok    {}: {}\n", finding.what, one_line(text, 500)),
        Seen::Without(text) => format!("-     {}: {}\n", finding.what, one_line(text, 500)),
        Seen::Bad(text, mend) => {
            format!("FAIL  {}: {}\n      mend: {}\n", finding.what, one_line(text, 500), one_line(mend, 500))
        }
    };
    findings.iter().map(line).collect()
}

/// The two halves, each with the place where it belongs. The one place that shows a private key: it was made to be kept.
fn keygen(key: &AgentKey) -> String {
    format!(
        "Private half. Keep it as a secret of whoever deploys, in the environment variable DEPLOY_AGENT_KEY:\n\
         \n\
         {}\n\
         \n\
         Public half. It belongs into agent.yml on the host:\n\
         \n\
         agent_id: {}\n\
         keys:\n\
         \x20 - id: {}\n\
         \x20   ed25519: {}\n\
         \x20   apps: [<application>]\n",
        key.text().expose(),
        key.agent_id(),
        key.key_id(),
        key.public_base64()
    )
}
