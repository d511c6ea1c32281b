//! Sizes, numbers and times that a call may have, on both sides.

use http::uri::PathAndQuery;
use tonic::{Code, Request};

use super::super::METHOD;
use super::super::codec::RawCodec;
use super::super::refused::Reason;
use super::*;

fn sized(message_bytes: usize) -> GrpcLimits {
    GrpcLimits { message_bytes, ..Default::default() }
}

#[tokio::test]
async fn messages_up_to_the_limit_arrive_whole() {
    let limit = GrpcLimits::default().message_bytes;
    let (port, transport) = pair(GrpcLimits::default(), GrpcLimits::default()).await;
    // The answer repeats the request after eight bytes.
    let request = [&[ECHO], vec![7; limit - 9].as_slice()].concat();
    assert_eq!(call(&transport, &port.peer(), &request).await, echoed(1, &request));
    assert_eq!(call(&transport, &port.peer(), &[]).await, echoed(1, &[]));
}

#[tokio::test]
async fn an_oversized_request_is_not_sent_and_an_oversized_answer_is_not_either() {
    let (port, transport) = pair(sized(1_000), sized(1_000)).await;
    let too_large =
        |found_bytes, limit_bytes| CallError::TooLarge { node: node(2), found_bytes, limit_bytes };
    let refused = call(&transport, &port.peer(), &[ECHO; 1_001]).await;
    assert_eq!(refused, Err(too_large(1_001, 1_000)));
    assert_eq!(port.desk.calls(), 0);

    let refused = call(&transport, &port.peer(), &[LARGE]).await;
    assert_eq!(refused, Err(too_large(LARGE_BYTES, 1_000)));
    assert_eq!(port.refusals.of(Reason::TooLarge), 1);
    assert_eq!(call(&transport, &port.peer(), &[ECHO]).await, echoed(1, &[ECHO]));
}

#[tokio::test]
async fn sides_that_disagree_about_the_limit_keep_to_the_lower_one() {
    let (port, transport) = pair(sized(100), sized(1_000)).await;
    let refused = call(&transport, &port.peer(), &[ECHO; 500]).await.unwrap_err();
    assert!(matches!(refused, CallError::TooLarge { .. }), "{refused}");
    assert_eq!(port.desk.calls(), 0);
    assert_eq!(call(&transport, &port.peer(), &[ECHO]).await, echoed(1, &[ECHO]));

    let (port, transport) = pair(sized(10_000), sized(1_000)).await;
    let refused = call(&transport, &port.peer(), &[LARGE]).await.unwrap_err();
    assert!(matches!(refused, CallError::TooLarge { limit_bytes: 1_000, .. }), "{refused}");
    assert_eq!(call(&transport, &port.peer(), &[ECHO]).await, echoed(1, &[ECHO]));
}

#[tokio::test]
async fn a_call_beyond_the_callers_own_bound_is_refused_at_once() {
    let client = GrpcLimits { calls_per_peer: 1, ..Default::default() };
    let (port, transport) = pair(GrpcLimits::default(), client).await;
    let first = held(&transport, &port).await;
    let refused = call(&transport, &port.peer(), &[ECHO]).await;
    assert_eq!(refused, Err(CallError::Busy { node: node(2), limit: 1 }));
    port.desk.gate.add_permits(1);
    assert_eq!(within(first).await.unwrap(), echoed(1, &[HOLD]));
    assert_eq!(call(&transport, &port.peer(), &[ECHO]).await, echoed(1, &[ECHO]));
    assert_eq!(port.desk.calls(), 2);
}

#[tokio::test]
async fn a_request_beyond_the_answerers_bounds_is_refused_without_being_read() {
    for limits in [
        GrpcLimits { requests_per_connection: 1, ..Default::default() },
        GrpcLimits { requests: 1, ..Default::default() },
    ] {
        let (port, transport) = pair(limits, GrpcLimits::default()).await;
        let first = held(&transport, &port).await;
        let refused = call(&transport, &port.peer(), &[ECHO]).await;
        assert_eq!(refused, Err(CallError::Busy { node: node(2), limit: 1 }));
        assert_eq!((port.desk.calls(), port.refusals.of(Reason::Busy)), (1, 1));

        port.desk.gate.add_permits(1);
        assert_eq!(within(first).await.unwrap(), echoed(1, &[HOLD]));
        // The place is free when the answer has left, which the caller may see a little earlier.
        let free =
            async { while call(&transport, &port.peer(), &[ECHO]).await != echoed(1, &[ECHO]) {} };
        within(free).await;
    }
}

#[tokio::test]
async fn a_call_without_an_answer_ends_in_time_and_gives_its_place_back() {
    let (port, transport) = pair(
        GrpcLimits { requests: 1, ..Default::default() },
        GrpcLimits { calls_per_peer: 1, ..Default::default() },
    )
    .await;
    assert_eq!(call(&transport, &port.peer(), &[ECHO]).await, echoed(1, &[ECHO]));
    let waited = Duration::from_millis(50);
    let silent = loop {
        match within(transport.call(&port.peer(), vec![HOLD], waited)).await {
            Err(CallError::Busy { .. }) => {}
            other => break other,
        }
    };
    assert_eq!(silent, Err(CallError::TimedOut { node: node(2), waited }));
    let free =
        async { while call(&transport, &port.peer(), &[ECHO]).await != echoed(1, &[ECHO]) {} };
    within(free).await;
}

#[tokio::test]
async fn a_request_whose_bytes_do_not_come_ends_in_time() {
    let arrival_timeout = Duration::from_millis(50);
    let limits = GrpcLimits { arrival_timeout, ..Default::default() };
    let (port, transport) = pair(limits, GrpcLimits::default()).await;
    let mut grpc = tonic::client::Grpc::new(transport.channel(&port.peer()));
    within(grpc.ready()).await.unwrap();
    let nothing = Request::new(futures::stream::pending::<Vec<u8>>());
    let path = PathAndQuery::from_static(METHOD);
    let sending = grpc.client_streaming(nothing, path, RawCodec::default());
    let status = within(sending).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status}");
    assert_eq!((port.desk.calls(), port.refusals.of(Reason::Late)), (0, 1));
}

#[tokio::test]
async fn another_method_is_not_answered() {
    let (port, transport) = pair(GrpcLimits::default(), GrpcLimits::default()).await;
    let mut grpc = tonic::client::Grpc::new(transport.channel(&port.peer()));
    within(grpc.ready()).await.unwrap();
    let path = PathAndQuery::from_static("/letopis.peer.v1.Peer/Other");
    let asking = grpc.unary(Request::new(vec![ECHO]), path, RawCodec::default());
    assert_eq!(within(asking).await.unwrap_err().code(), Code::Unimplemented);
    assert_eq!(port.desk.calls(), 0);
}
