//! The OperationDefinition of an act: what the business API publishes of itself (FHIR R4B).

use hub_fhir::{Id, Object, Resource, tree};

use crate::act::{Act, On};
use crate::decision::kind_of;
use crate::refused::Stop;

impl Act {
    /// The id of its definition: `Appointment-hold`.
    pub fn definition_id(&self) -> String {
        format!("{}-{}", self.kind, self.name)
    }

    /// The canonical address of its definition.
    pub fn definition_url(&self) -> String {
        format!("urn:impf:operation:{}", self.definition_id())
    }

    /// Its definition.
    pub fn definition(&self) -> Result<Resource, Stop> {
        let id = Id::new(&self.definition_id()).map_err(|_| Stop::Unfit(format!("no id: {}", self.name)))?;
        let mut words = self.name.split('-');
        let first = words.next().unwrap_or_default();
        let name = [first].into_iter().chain(words).map(capital).collect::<String>();
        let parameter = |parameter: &crate::act::Parameter| {
            tree! {
                "name" => parameter.name,
                "use" => "in",
                "min" => i64::from(parameter.required),
                "max" => if parameter.many { "*" } else { "1" },
                "documentation" => parameter.about,
                "type" => parameter.kind,
            }
        };
        let mut parameters: Vec<Object> = self.takes.iter().map(parameter).collect();
        parameters.push(tree! {
            "name" => "return",
            "use" => "out",
            "min" => 1_i64,
            "max" => "1",
            "documentation" => "What it comes to. Where a partner is slow the answer is 202 with the Task to follow",
            "type" => self.answers,
        });
        let tree = tree! {
            "url" => self.definition_url(),
            "name" => format!("{}{name}", self.kind),
            "status" => "active",
            "kind" => "operation",
            "description" => self.about,
            "affectsState" => true,
            "code" => self.name,
            "resource" => [self.kind],
            "system" => false,
            "type" => self.on == On::Type,
            "instance" => self.on == On::Instance,
            "parameter" => parameters,
        };
        Ok(Resource::new(kind_of("OperationDefinition")?, id, tree))
    }
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_ascii_uppercase().to_string() + letters.as_str()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use crate::Workflow;
    use crate::booking::Booking;
    use crate::exclusive::Exclusive;
    use crate::payment::Payment;
    use crate::person::Persons;
    use crate::session::Sessions;

    #[test]
    fn every_act_has_a_valid_definition_of_its_own() {
        let workflows: [&dyn Workflow; 5] = [&Persons, &Booking, &Payment, &Exclusive, &Sessions];
        let mut ids = std::collections::BTreeSet::new();
        for act in workflows.iter().flat_map(|workflow| workflow.acts()) {
            let definition = act.definition().unwrap();
            assert_eq!(hub_fhir::validate(definition.tree()), [], "{}", act.name);
            assert!(ids.insert(act.definition_id()), "{}", act.name);
        }
        assert!(!ids.is_empty());
    }
}
