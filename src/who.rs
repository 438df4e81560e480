//! Who sits at this machine: the name under which a deployment is kept.

use std::os::unix::fs::MetadataExt;

/// The user of the system that runs this program, and who that was before `sudo`: `root (sudo by anna)`.
pub fn system_user() -> String {
    let named = |name: &str| std::env::var(name).ok().filter(|user| is_name(user));
    let user = own_name().or_else(|| named("USER")).unwrap_or_else(|| "unknown".to_owned());
    match named("SUDO_USER").filter(|before| *before != user) {
        Some(before) => format!("{user} (sudo by {before})"),
        None => user,
    }
}

/// The name of the user that this process belongs to.
fn own_name() -> Option<String> {
    let id = std::fs::metadata("/proc/self").ok()?.uid();
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    Some(name_of(&users, id).unwrap_or_else(|| format!("user {id}")))
}

/// `anna:x:1000:..`
fn name_of(users: &str, id: u32) -> Option<String> {
    let user = users.lines().find(|line| line.split(':').nth(2) == Some(id.to_string().as_str()))?;
    user.split(':').next().filter(|name| is_name(name)).map(str::to_owned)
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.len() <= 64 && !text.chars().any(|letter| letter.is_control())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_named_by_the_table_of_the_system() {
        let users = "root:x:0:0:root:/root:/bin/sh\nanna:x:1000:1000::/home/anna:/bin/sh\n";
        assert_eq!(name_of(users, 1000).as_deref(), Some("anna"));
        assert_eq!(name_of(users, 0).as_deref(), Some("root"));
        assert_eq!(name_of(users, 100), None);
    }
}
