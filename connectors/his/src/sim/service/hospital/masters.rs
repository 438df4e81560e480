//! H101 H102 H103 H105 H107: what the hospital has, whole or what was changed since.

use super::super::clock::{read_stamp, stamped};
use super::super::codes::Answer;
use super::super::element::Element;
use super::super::house::HOUSE;
use super::{Hospital, page};

impl Hospital {
    /// The items changed at `LastUpdateTime` or after, page by page.
    pub(super) fn query_items(&mut self, function: &str, body: &Element) -> Answer {
        let since = read_stamp(body.get("LastUpdateTime"));
        let mut items = self.items(function);
        if let Some(since) = since {
            items.retain(|item| read_stamp(item.get("UpdateTime")).is_some_and(|changed| changed >= since));
        }
        Ok(page("Items", items, body))
    }

    /// All items of a function, as they are now.
    pub(in super::super) fn items(&self, function: &str) -> Vec<Element> {
        let now = |item: Element| match self.memory.items.get(&key(function, &item)) {
            Some(changed) => changed.clone(),
            None => item,
        };
        HOUSE.items(function).into_iter().map(now).collect()
    }

    /// The item of a code, as it is now.
    pub(super) fn item(&self, function: &str, code: &str) -> Option<Element> {
        self.items(function)
            .into_iter()
            .find(|item| item.children.first().is_some_and(|first| first.text == code))
    }

    /// Changes fields of an item; false where there is no such item or field.
    pub(in super::super) fn change_item<'a>(
        &mut self,
        function: &str,
        code: &str,
        fields: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> bool {
        let Some(mut item) = self.item(function, code) else { return false };
        if fields.into_iter().any(|(name, value)| !item.set(name, value)) {
            return false;
        }
        item.set("UpdateTime", &stamped(self.now()));
        self.memory.items.insert(key(function, &item), item);
        true
    }
}

/// Function and code; the code is every item's first field.
fn key(function: &str, item: &Element) -> String {
    let code = item.children.first().map(|field| field.text.as_str()).unwrap_or_default();
    format!("{function}/{code}")
}
