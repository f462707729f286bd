//! What Kafka's error codes mean to a loop.

use rdkafka::error::RDKafkaErrorCode;

/// Does the code tell of a condition that passes by itself?
pub(crate) const fn is_transient(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(
        code,
        Code::AllBrokersDown
            | Code::BrokerDestroy
            | Code::BrokerNotAvailable
            | Code::BrokerTransportFailure
            | Code::CoordinatorLoadInProgress
            | Code::CoordinatorNotAvailable
            | Code::LeaderNotAvailable
            | Code::MessageTimedOut
            | Code::NetworkException
            | Code::NotCoordinator
            | Code::NotEnoughReplicas
            | Code::NotEnoughReplicasAfterAppend
            | Code::NotLeaderForPartition
            | Code::OperationTimedOut
            | Code::QueueFull
            | Code::RebalanceInProgress
            | Code::RequestTimedOut
            | Code::Resolve
            | Code::WaitingForCoordinator
    )
}

/// Was the client put out by another of its name?
pub(crate) const fn is_fenced(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(code, Code::Fenced | Code::FencedInstanceId | Code::InvalidProducerEpoch | Code::ProducerFenced)
}

/// Is it about rights or identity, which no retry mends?
pub(crate) const fn is_refusal(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(
        code,
        Code::Authentication
            | Code::ClusterAuthorizationFailed
            | Code::Fatal
            | Code::Fenced
            | Code::FencedInstanceId
            | Code::GroupAuthorizationFailed
            | Code::SaslAuthenticationFailed
            | Code::TopicAuthorizationFailed
    )
}
