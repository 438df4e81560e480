//! The command line of the simulators.

use clap::{Args, ValueEnum};

use super::values::{fault_names, zero_or_more};

/// `huitong sim`
#[derive(Debug, Args)]
pub struct SimArguments {
    /// Which partner
    pub name: SimName,
    /// Where it sends: his -> 127.0.0.1:2575, lis -> 127.0.0.1:2576
    #[arg(long, value_name = "HOST:PORT")]
    pub to: Option<String>,
    /// Where it listens: his (service) 127.0.0.1:2581, lis (ADT feed) 127.0.0.1:2577, notify 127.0.0.1:2580, bank 127.0.0.1:2590, esign 127.0.0.1:2592
    #[arg(long, value_name = "HOST:PORT")]
    pub listen: Option<String>,
    /// Where its control API listens: his 127.0.0.1:2585, lis 127.0.0.1:2586; notify's is on its own address
    #[arg(long, value_name = "HOST:PORT")]
    pub control: Option<String>,
    /// Messages a second; 0: only when pushed by its control API
    #[arg(long, default_value_t = 1.0, value_parser = zero_or_more)]
    pub rate: f64,
    /// Stop after so many messages; 0 goes on for ever
    #[arg(long, default_value_t = 0)]
    pub count: u64,
    /// The people and their stories follow from this number
    #[arg(long, default_value_t = 20_261_122)]
    pub seed: u64,
    /// Misbehave once, by name
    #[arg(long, value_parser = fault_names())]
    pub fault: Option<String>,
}

/// The simulators.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SimName {
    /// Hospital information system: sends ADT, answers by SOAP
    His,
    /// Laboratory: sends results, takes the ADT feed.
    Lis,
    /// The ward's notices
    Notify,
    /// Banks and acquirers, in their dialects
    Bank,
    /// The signing service, with its certification authority
    Esign,
    /// The SMS gateway, in both styles
    Sms,
    /// WeChat's messages
    Wechat,
}

impl SimName {
    /// Its name at the prompt.
    pub fn name(self) -> &'static str {
        match self {
            Self::His => "his",
            Self::Lis => "lis",
            Self::Notify => "notify",
            Self::Bank => "bank",
            Self::Esign => "esign",
            Self::Sms => "sms",
            Self::Wechat => "wechat",
        }
    }
}
