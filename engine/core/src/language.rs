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

    /// The one that a list of tags with weights likes best, the first of equals (RFC 9110 §12.5.4, `Accept-Language`).
    pub fn best_of(accepted: &str) -> Option<Self> {
        let mut best: Option<(f32, Self)> = None;
        for range in accepted.split(',') {
            let (tag, parameters) = range.split_once(';').unwrap_or((range, ""));
            let weight = parameters.trim().strip_prefix("q=").map_or(Some(1.0), |q| q.trim().parse().ok());
            let (Some(language), Some(weight)) = (Self::of_tag(tag), weight) else { continue };
            if weight > 0.0 && best.is_none_or(|(most, _)| weight > most) {
                best = Some((weight, language));
            }
        }
        best.map(|(_, language)| language)
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

    #[test]
    fn the_language_liked_best_is_taken() {
        assert_eq!(Language::best_of("fr,zh-TW;q=0.9,en;q=0.8"), Some(Language::Traditional));
        assert_eq!(Language::best_of("en;q=0.2, zh-CN;q=0.7"), Some(Language::Simplified));
        assert_eq!(Language::best_of("ja;q=nonsense,,;"), None);
        assert_eq!(Language::best_of("zh;q=0"), None);
    }
}
