//! The press that papers are printed with: its fonts are looked for where fontconfig has them.

use std::path::{Path, PathBuf};

use hub_papers::Press;

/// Where fonts lie (fonts.conf, `dir`): the machine's, the administrator's, the user's.
const FOLDERS: [&str; 2] = ["/usr/share/fonts", "/usr/local/share/fonts"];
const USERS: &str = ".local/share/fonts";
/// The fonts of Debian's fonts-noto-cjk, with all Chinese characters: regular and bold.
const FONTS: [&str; 2] = ["NotoSansCJK-Regular.ttc", "NotoSansCJK-Bold.ttc"];
/// Folders within folders that are looked through.
const DEEPEST: usize = 4;

/// The press; none where a font is missing, which is said.
pub fn find() -> Option<Press> {
    let home = std::env::home_dir().map(|home| home.join(USERS));
    let folders: Vec<PathBuf> = FOLDERS.iter().map(PathBuf::from).chain(home).collect();
    let font = |name| {
        let path = folders.iter().find_map(|folder| below(folder, name, DEEPEST))?;
        std::fs::read(path).ok()
    };
    let [regular, bold] = FONTS.map(font);
    let press = regular.zip(bold).and_then(|(regular, bold)| Press::new(regular, bold).ok());
    if press.is_none() {
        tracing::warn!(
            fonts = FONTS.join(", "),
            "No Chinese font was found: consents cannot be signed. Debian has it as fonts-noto-cjk."
        );
    }
    press
}

/// The file of this name in a folder or below it.
fn below(folder: &Path, name: &str, deepest: usize) -> Option<PathBuf> {
    let file = folder.join(name);
    if file.is_file() {
        return Some(file);
    }
    let within = std::fs::read_dir(folder).ok().filter(|_| deepest > 0)?;
    let mut folders: Vec<PathBuf> =
        within.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    folders.sort();
    folders.iter().find_map(|folder| below(folder, name, deepest - 1))
}

#[cfg(test)]
mod tests {
    use super::below;

    #[test]
    fn a_font_is_found_in_a_folder_within_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("opentype/noto");
        std::fs::create_dir_all(&place).unwrap();
        std::fs::write(place.join("a.ttc"), "").unwrap();
        assert_eq!(below(folder.path(), "a.ttc", 4), Some(place.join("a.ttc")));
        assert_eq!(below(folder.path(), "a.ttc", 1), None);
        assert_eq!(below(folder.path(), "b.ttc", 4), None);
    }
}
