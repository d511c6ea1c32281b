//! `letopis staff`: officials of the agency, appointed, away and dismissed by its operator.
//!
//! Not here: what officials do (`letopis work`).

use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::Subcommand;
use serde_json::{Value, json};

use super::operator::Operator;
use super::work::Credentials;

/// What to do with officials.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Appoints somebody and writes a file with which the official works; hand it over safely.
    Appoint {
        /// The node.
        #[command(flatten)]
        operator: Operator,
        /// Name of the official; it stays with the agency.
        #[arg(long)]
        name: String,
        /// A post, as unit:role; roles are head, executor, lawyer, operator, keeper.
        #[arg(long = "post", required = true, value_name = "UNIT:ROLE")]
        posts: Vec<String>,
        /// A service that the official can work on; every one without it.
        #[arg(long = "skill", value_name = "SERVICE")]
        skills: Vec<String>,
        /// Id of an official who gets other posts; the file must be the official's own.
        #[arg(long)]
        official: Option<String>,
        /// Where to write the file with id, token and key.
        #[arg(long, value_name = "FILE")]
        credentials: PathBuf,
    },
    /// Lists officials with their posts and open cases.
    List {
        /// The node.
        #[command(flatten)]
        operator: Operator,
    },
    /// Notes days on which an official is away.
    Absent {
        /// Id of the official.
        official: String,
        /// First day, as in 2026-12-01.
        #[arg(long)]
        from: String,
        /// Last day.
        #[arg(long)]
        until: String,
        /// The node.
        #[command(flatten)]
        operator: Operator,
    },
    /// Ends an official's posts.
    Dismiss {
        /// Id of the official.
        official: String,
        /// The node.
        #[command(flatten)]
        operator: Operator,
    },
}

/// Runs the command.
pub(crate) fn run(command: &Command) -> anyhow::Result<()> {
    match command {
        Command::Appoint { operator, name, posts, skills, official, credentials } => {
            let posts = posts.iter().map(|post| read_post(post)).collect::<anyhow::Result<_>>()?;
            let known = official.as_ref().map(|_| Credentials::read(credentials)).transpose()?;
            let made = match known {
                Some(known) => known,
                None => Credentials::generate(&operator.address()?)?,
            };
            let node = operator.connect()?;
            let mut body = json!({
                "name": name, "posts": Value::Array(posts), "skills": skills,
                "key": made.public_key()?
            });
            if let Some(official) = official {
                body["official"] = json!(official);
            }
            let answer = node.post("api/v1/officials", &body)?;
            let text = |name: &str| {
                answer[name].as_str().map(str::to_owned).context("the node's answer lacks a member")
            };
            let made = made.admitted(text("id")?, text("token")?);
            made.write(credentials, official.is_some())?;
            let (official, file) = (made.official(), credentials.display());
            println!("appointed {official}; {file} is for the official alone");
        }
        Command::List { operator } => {
            for official in operator.connect()?.get("api/v1/officials")?["officials"]
                .as_array()
                .into_iter()
                .flatten()
            {
                let posts = official["posts"].as_array().into_iter().flatten();
                let posts: Vec<String> = posts
                    .map(|post| {
                        let text = |name: &str| post[name].as_str().unwrap_or_default().to_owned();
                        format!("{}:{}", text("unit"), text("role"))
                    })
                    .collect();
                let posts =
                    if posts.is_empty() { "dismissed".to_owned() } else { posts.join(", ") };
                println!(
                    "{}  {}  open cases: {}",
                    official["id"].as_str().unwrap_or_default(),
                    posts,
                    official["open_cases"]
                );
            }
        }
        Command::Absent { official, from, until, operator } => {
            let body = json!({"from": from, "until": until});
            operator.connect()?.post(&format!("api/v1/officials/{official}/absences"), &body)?;
            println!("{official} is away from {from} to {until}");
        }
        Command::Dismiss { official, operator } => {
            operator.connect()?.delete(&format!("api/v1/officials/{official}"))?;
            println!("{official} holds no post any more; give open cases to somebody else");
        }
    }
    Ok(())
}

fn read_post(text: &str) -> anyhow::Result<Value> {
    let Some((unit, role)) = text.split_once(':') else {
        bail!("{text:?} is not of the form unit:role, as in permits:executor");
    };
    Ok(json!({"unit": unit, "role": role}))
}
