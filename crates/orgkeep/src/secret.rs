// SPDX-License-Identifier: Apache-2.0
//! Where secrets come from: a file, the environment, a prompt. Never an argument, which every user of the machine
//! could read in the list of processes; and they are never printed.

use crate::config::{Kept, Login, Place};
use crate::failure::{Failure, Kind};
use crate::{config, environment};
use orgkeep_salesforce::Secret;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use url::Url;

/// The secret in a file, without the line break at its end. `-` is the standard input.
pub fn from_file(path: &Path, what: &str) -> Result<Secret, Failure> {
    let read = if path == Path::new("-") { io::read_to_string(io::stdin()) } else { std::fs::read_to_string(path) };
    let text = read.map_err(|error| {
        let kind = if error.kind() == io::ErrorKind::NotFound { Kind::NotFound } else { Kind::Invalid };
        Failure::caused(kind, format!("could not read the {what} from {}", path.display()), &error)
    })?;
    // A key in PEM form has line breaks inside; only those at the end belong to the editor.
    let secret = text.trim_end_matches(['\n', '\r']);
    if secret.is_empty() {
        return Err(Failure::invalid(format!("{} is empty, it should hold the {what}", path.display())));
    }
    Ok(Secret::from(secret))
}

/// Asks on the terminal without echo. `None` where there is no terminal.
pub fn from_prompt(question: &str) -> Result<Option<Secret>, Failure> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Ok(None);
    }
    match rpassword::prompt_password(format!("{question}: ")) {
        Ok(answer) if answer.is_empty() => Err(Failure::invalid(format!("no answer to {question}"))),
        Ok(answer) => Ok(Some(Secret::from(answer))),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => {
            Err(Failure::new(Kind::Interrupted, "interrupted; nothing was changed"))
        }
        Err(error) => Err(Failure::caused(Kind::Invalid, format!("could not ask for {question}"), &error)),
    }
}

/// A secret given to `connect`, and where it will be found next time.
pub struct Given {
    pub secret: Secret,
    pub place: Place,
}

/// From the file if one was named, else from the environment, else from a prompt.
pub fn given(file: Option<&Path>, variable: &str, what: &str, option: &str) -> Result<Given, Failure> {
    if let Some(path) = file {
        let place = if path == Path::new("-") { Place::Kept } else { Place::File(environment::absolute(path)) };
        return Ok(Given { secret: from_file(path, what)?, place });
    }
    if let Some(value) = environment::variable(variable) {
        return Ok(Given { secret: value.into(), place: Place::Environment(variable.to_owned()) });
    }
    match from_prompt(what)? {
        Some(secret) => Ok(Given { secret, place: Place::Kept }),
        None => Err(Failure::invalid(format!("no {what} was given"))
            .hint(format!("give {option} FILE, set {variable}, or run on a terminal to be asked"))),
    }
}

/// The secret at a place that `connect` wrote down. `key` is its name in the file of kept secrets.
pub fn at(place: &Place, kept: &Kept, connector: &str, key: &str) -> Result<Secret, Failure> {
    match place {
        Place::File(path) => from_file(path, &key.replace('_', " ")),
        Place::Kept => kept.get(connector, key),
        Place::Environment(variable) => environment::variable(variable).map(Secret::from).ok_or_else(|| {
            Failure::invalid(format!(
                "the variable {variable} is not set, it should hold the {}",
                key.replace('_', " ")
            ))
            .hint(format!("set it, or run `orgkeep connect {connector}` again with a file"))
        }),
    }
}

/// What a connector signs in with, its secrets read.
pub fn login(name: &str, url: &Url, login: &Login, kept: &Kept) -> Result<orgkeep_salesforce::Login, Failure> {
    let url = url.clone();
    Ok(match login {
        Login::None {} => {
            return Err(Failure::new(
                Kind::Denied,
                format!("{name} has no login: it came with a vault, or is a sandbox from before its refresh"),
            )
            .hint(format!("if the org is still there, run `orgkeep connect {name} --url URL …` to sign in to it")));
        }
        Login::AccessToken { access_token } => orgkeep_salesforce::Login::AccessToken {
            instance_url: url,
            access_token: at(access_token, kept, name, "access_token")?,
        },
        Login::ClientCredentials { client_id, client_secret } => orgkeep_salesforce::Login::ClientCredentials {
            login_url: url,
            client_id: client_id.clone(),
            client_secret: at(client_secret, kept, name, "client_secret")?,
        },
        Login::JwtBearer { client_id, username, key_file, audience } => orgkeep_salesforce::Login::JwtBearer {
            login_url: url,
            client_id: client_id.clone(),
            username: username.clone(),
            private_key_pem: from_file(key_file, "private key")?,
            audience: audience.clone(),
        },
        Login::RefreshToken { client_id, client_secret, refresh_token } => orgkeep_salesforce::Login::RefreshToken {
            login_url: url,
            client_id: client_id.clone(),
            client_secret: match client_secret {
                Some(place) => Some(at(place, kept, name, "client_secret")?),
                None => None,
            },
            refresh_token: at(refresh_token, kept, name, "refresh_token")?,
        },
    })
}

/// Keeps rotated refresh tokens where the first one came from: the user's own file, or the file of kept secrets.
/// (`connect` copies one from the environment to the latter, because there it could not be replaced.)
pub struct Rotation {
    connector: String,
    file: Option<PathBuf>,
    kept: Kept,
    happened: AtomicBool,
}

impl Rotation {
    /// `None` for logins without a refresh token.
    pub fn of(connector: &str, login: &Login, kept: &Kept) -> Option<Arc<Rotation>> {
        let Login::RefreshToken { refresh_token, .. } = login else { return None };
        let file = if let Place::File(path) = refresh_token { Some(path.clone()) } else { None };
        let connector = connector.to_owned();
        Some(Arc::new(Rotation { connector, file, kept: kept.clone(), happened: AtomicBool::new(false) }))
    }

    /// Whether a newer token than the one given has been kept.
    pub fn happened(&self) -> bool {
        self.happened.load(Ordering::Acquire)
    }
}

impl orgkeep_salesforce::TokenStore for Rotation {
    fn keep(&self, refresh_token: &Secret) -> io::Result<()> {
        match &self.file {
            Some(path) => config::replace(path, format!("{}\n", refresh_token.expose()).as_bytes(), true)?,
            None => self.kept.write(&self.connector, "refresh_token", refresh_token)?,
        }
        self.happened.store(true, Ordering::Release);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use orgkeep_salesforce::TokenStore;

    #[test]
    fn the_line_break_of_an_editor_is_not_part_of_a_secret() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        std::fs::write(&path, " 00D!with spaces \r\n").unwrap();
        assert_eq!(from_file(&path, "token").unwrap().expose(), " 00D!with spaces ");
        std::fs::write(&path, "\n").unwrap();
        assert_eq!(from_file(&path, "token").unwrap_err().kind, Kind::Invalid);
        assert_eq!(from_file(&folder.path().join("none"), "token").unwrap_err().kind, Kind::NotFound);
    }

    #[test]
    fn a_rotated_token_replaces_the_one_in_the_file_it_came_from() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("refresh");
        std::fs::write(&path, "first\n").unwrap();
        let kept = Kept::beside(&folder.path().join("config.toml"));
        let login = |refresh_token| Login::RefreshToken { client_id: "c".into(), client_secret: None, refresh_token };
        let in_file = login(Place::File(path.clone()));
        Rotation::of("acme", &in_file, &kept).unwrap().keep(&"second".into()).unwrap();
        assert_eq!(from_file(&path, "token").unwrap().expose(), "second");

        let in_kept = Rotation::of("acme", &login(Place::Kept), &kept).unwrap();
        assert!(!in_kept.happened());
        in_kept.keep(&"third".into()).unwrap();
        assert!(in_kept.happened());
        assert_eq!(kept.get("acme", "refresh_token").unwrap().expose(), "third");
        assert!(Rotation::of("acme", &Login::AccessToken { access_token: Place::Kept }, &kept).is_none());
    }

    #[test]
    fn an_unset_variable_is_named() {
        let kept = Kept::beside(Path::new("/nowhere/config.toml"));
        let failure = at(&Place::Environment("ORGKEEP_NO_SUCH".into()), &kept, "acme", "access_token").unwrap_err();
        assert!(failure.message.contains("ORGKEEP_NO_SUCH"));
    }
}
