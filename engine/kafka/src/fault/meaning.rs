//! What a fault means to whoever started the loop.

use std::any::Any;

use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::KafkaFault;
use crate::codes::{is_fenced, is_transient};
use crate::outbox::code_of;
use crate::trouble;

impl KafkaFault {
    /// The fault of a thread that ended with a panic, from what its join gave.
    pub fn panicked(thread: impl Into<String>, panic: &(dyn Any + Send)) -> Self {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let message = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
        Self::Panicked { thread: thread.into(), message }
    }

    /// The same, told as what it is where a broker has refused credentials or certificates: no client tells that to whoever
    /// waits for its answer.
    #[must_use]
    pub fn explained(self) -> Self {
        match (self, trouble::refusal()) {
            (Self::NoAnswer { .. } | Self::Transaction { .. } | Self::Consumer(_), Some(trouble)) => {
                Self::NotLetIn(trouble)
            }
            (fault, _) => fault,
        }
    }

    /// The same, told as what it is where the client was put out by another of its name.
    pub(crate) fn named(self, instance: Option<&str>) -> Self {
        let code = match &self {
            Self::Consumer(source) | Self::NoAnswer { source, .. } | Self::Commit { source, .. } => code_of(source),
            Self::Transaction { code, .. } | Self::Producer { code, .. } => *code,
            _ => return self,
        };
        match instance {
            Some(instance) if is_fenced(code) => Self::InstanceTaken { instance: instance.to_owned() },
            _ => self,
        }
    }

    /// Does it tell of the stop itself, and not of what caused it?
    pub const fn is_of_the_stop(&self) -> bool {
        matches!(self, Self::StoppedUnacknowledged(_) | Self::LeftHanging(_))
    }

    /// Has the broker refused it because this user lacks a right?
    pub fn lacks_a_right(&self) -> bool {
        use RDKafkaErrorCode as Code;
        let code = match self {
            Self::NoAnswer { source, .. } | Self::Consumer(source) => code_of(source),
            Self::Admin { code, .. } => *code,
            _ => return false,
        };
        matches!(
            code,
            Code::TopicAuthorizationFailed | Code::GroupAuthorizationFailed | Code::ClusterAuthorizationFailed
        )
    }

    /// May the same start succeed a little later, with nothing changed by people?
    pub const fn is_retriable(&self) -> bool {
        match self {
            Self::NoAnswer { .. }
            | Self::Producer { .. }
            | Self::NoRoom { .. }
            | Self::PastDeleted { .. }
            | Self::Forgotten { .. }
            | Self::StateBehind { .. }
            | Self::Transaction { .. }
            | Self::Commit { .. }
            | Self::StoppedUnacknowledged(_)
            | Self::LeftHanging(_) => true,
            Self::Delivery { code, .. }
            | Self::Admin { code, .. }
            | Self::Consumer(KafkaError::MessageConsumption(code)) => is_transient(*code),
            _ => false,
        }
    }
}
