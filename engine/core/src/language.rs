//! The languages people are spoken to.

/// One of the three languages of every screen, message and paper (P27).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Language {
    /// English.
    #[default]
    English,
    /// Chinese in simplified characters.
    Simplified,
    /// Chinese in traditional characters.
    Traditional,
}

impl Language {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::English, Self::Simplified, Self::Traditional];

    /// Its tag (BCP 47): `zh-Hans`.
    pub fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Simplified => "zh-Hans",
            Self::Traditional => "zh-Hant",
        }
    }

    /// Its name for itself.
    pub fn name(self) -> &'static str {
        match self {
            Self::English => "English",
            Self::Simplified => "简体中文",
            Self::Traditional => "繁體中文",
        }
    }

    /// The one a tag means. Taiwan, Hong Kong and Macau write traditional characters; other Chinese is simplified unless its tag
    /// says so.
    pub fn of_tag(tag: &str) -> Option<Self> {
        let tag = tag.trim().to_ascii_lowercase();
        let mut parts = tag.split('-');
        match parts.next()? {
            "en" => Some(Self::English),
            "zh" | "cmn" | "yue" => {
                let parts: Vec<&str> = parts.collect();
                let traditional = !parts.contains(&"hans")
                    && parts.iter().any(|part| ["hant", "tw", "hk", "mo"].contains(part));
                Some(if traditional { Self::Traditional } else { Self::Simplified })
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Language;

    #[test]
    fn a_tag_means_a_language() {
        for language in Language::ALL {
            assert_eq!(Language::of_tag(language.tag()), Some(language));
        }
        assert_eq!(Language::of_tag("zh-TW"), Some(Language::Traditional));
        assert_eq!(Language::of_tag("zh-Hans-HK"), Some(Language::Simplified));
        assert_eq!(Language::of_tag("tlh"), None);
    }
}
