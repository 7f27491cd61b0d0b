//! The verbs for the agent's host.

use crate::cli::AgentCommand;
use crate::domain::Reason;
use crate::failure::Failure;
use crate::report::Out;
use crate::signing::AgentKey;

pub(super) async fn run(command: &AgentCommand) -> Result<(), Failure> {
    match command {
        AgentCommand::Keygen { agent_id, key_id } => {
            let key = AgentKey::generate(agent_id, key_id)
                .map_err(|error| Failure::new(Reason::Usage, "no key can be made").because(error))?;
            Out.text(&keygen(&key));
            Ok(())
        }
        AgentCommand::Serve { config } => crate::agent::serve(config).await,
        AgentCommand::Doctor { config } => {
            if crate::agent::doctor(config).await? {
                return Ok(());
            }
            Err(Failure::new(Reason::StateUnusable, "the agent cannot work like this")
                .hint("each line above that fails names the command that mends it"))
        }
    }
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
