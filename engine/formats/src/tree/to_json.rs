//! Gives a tree back as JSON: the inverse of reading it.

use hub_fhir::{Json, Object};

use super::{Kind, Tree};

impl<M: Copy> Tree<M> {
    /// The members of a node, arrays as they were.
    pub(crate) fn to_object(&self, at: usize) -> Object {
        let children: Vec<usize> = self.children(at).collect();
        let mut object = Object::with_capacity(children.len());
        for (name, run) in self.members_of(&children) {
            let value = if self.item(run[0]).listed {
                Json::Array(run.iter().map(|child| self.to_json(*child)).collect())
            } else {
                self.to_json(run[0])
            };
            object.push(name.into(), value);
        }
        object
    }

    /// The value of a node.
    pub(crate) fn to_json(&self, at: usize) -> Json {
        match self.item(at).kind {
            Kind::Group => Json::Object(self.to_object(at)),
            Kind::Array => Json::Array(self.children(at).map(|child| self.to_json(child)).collect()),
            Kind::Text | Kind::Blank | Kind::Quiet => Json::string(self.text(at)),
            Kind::Number => Json::Number(self.text(at).into()),
            Kind::Bool => Json::Bool(self.text(at) == "true"),
            Kind::Null => Json::Null,
        }
    }

    /// Children by member: its name and the nodes that are it.
    pub(super) fn members_of<'t>(
        &'t self,
        children: &'t [usize],
    ) -> impl Iterator<Item = (&'t str, &'t [usize])> {
        let mut start = 0;
        std::iter::from_fn(move || {
            let first = *children.get(start)?;
            let item = self.item(first);
            let same = |child: &&usize| item.listed && self.item(**child).name == item.name;
            let length = 1 + children[start + 1..].iter().take_while(same).count();
            let member = (self.name(first), &children[start..start + length]);
            start += length;
            Some(member)
        })
    }
}
