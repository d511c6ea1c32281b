//! Nodes that talk, refuse, stop, come back and move.

use super::super::refused::Reason;
use super::*;

#[tokio::test]
async fn two_nodes_talk_in_both_directions() {
    let (one, two) = (identity(), identity());
    let port_one = Port::open(&one, &Desk::knowing(&[(&two, 2)]), GrpcLimits::default()).await;
    let port_two = Port::open(&two, &Desk::knowing(&[(&one, 1)]), GrpcLimits::default()).await;
    let from_one = GrpcTransport::new(one, GrpcLimits::default());
    let from_two = GrpcTransport::new(two, GrpcLimits::default());
    let to_one = PeerAddress { node: node(1), ..port_one.peer() };
    assert_eq!(call(&from_one, &port_two.peer(), b"e there").await, echoed(1, b"e there"));
    assert_eq!(call(&from_two, &to_one, b"e back").await, echoed(2, b"e back"));
    port_one.close().await;
    port_two.close().await;
}

#[tokio::test]
async fn what_the_answerer_refuses_the_caller_learns() {
    let (port, transport) = pair(GrpcLimits::default(), GrpcLimits::default()).await;
    let refused = |reason: &str| CallError::Refused { node: node(2), reason: reason.to_owned() };
    let told = call(&transport, &port.peer(), &[MALFORMED]).await;
    assert_eq!(told, Err(refused("another log")));
    assert_eq!(port.refusals.of(Reason::Malformed), 1);
    let told = call(&transport, &port.peer(), &[STOPPING]).await;
    assert_eq!(told, Err(refused("the node is stopping")));
    let told = call(&transport, &port.peer(), &[BUSY]).await;
    assert_eq!(told, Err(CallError::Busy { node: node(2), limit: 9 }));
}

#[tokio::test]
async fn a_node_that_comes_back_is_reached_again() {
    let (one, two) = (identity(), identity());
    let desk = Desk::knowing(&[(&one, 1)]);
    let transport = GrpcTransport::new(one, GrpcLimits::default());
    let port = Port::open(&two, &desk, GrpcLimits::default()).await;
    let (peer, address) = (port.peer(), port.address);
    assert_eq!(call(&transport, &peer, &[ECHO]).await, echoed(1, &[ECHO]));
    port.close().await;
    let away = call(&transport, &peer, &[ECHO]).await.unwrap_err();
    assert!(matches!(away, CallError::Unreachable { .. }), "{away}");

    let _port = Port::open_at(address, &two, &desk, GrpcLimits::default()).await;
    let reached = async { while call(&transport, &peer, &[ECHO]).await != echoed(1, &[ECHO]) {} };
    within(reached).await;
}

#[tokio::test]
async fn a_node_that_moves_or_changes_its_key_is_reached_where_it_is() {
    let (one, two, new_two) = (identity(), identity(), identity());
    let transport = GrpcTransport::new(one.clone(), GrpcLimits::default());
    let old = Port::open(&two, &Desk::knowing(&[(&one, 1)]), GrpcLimits::default()).await;
    let moved = Port::open(&two, &Desk::knowing(&[(&one, 1)]), GrpcLimits::default()).await;
    let rekeyed = Port::open(&new_two, &Desk::knowing(&[(&one, 1)]), GrpcLimits::default()).await;
    for port in [&old, &moved, &rekeyed] {
        assert_eq!(call(&transport, &port.peer(), &[ECHO]).await, echoed(1, &[ECHO]));
    }
    let calls = [&old, &moved, &rekeyed].map(|port| port.desk.calls());
    assert_eq!(calls, [1, 1, 1]);

    // What was forgotten is connected anew.
    transport.forget(node(2));
    assert_eq!(call(&transport, &old.peer(), &[ECHO]).await, echoed(1, &[ECHO]));
}

#[tokio::test]
async fn stopping_waits_for_what_is_under_way() {
    let (port, transport) = pair(GrpcLimits::default(), GrpcLimits::default()).await;
    let first = held(&transport, &port).await;
    port.stop.send_replace(true);
    // The port is closed at once: a new connection is refused while the request goes on.
    let closed = async { while tokio::net::TcpStream::connect(port.address).await.is_ok() {} };
    within(closed).await;
    assert!(!port.served.is_finished());
    port.desk.gate.add_permits(1);
    assert_eq!(within(first).await.unwrap(), echoed(1, &[HOLD]));
    port.close().await;
}

#[tokio::test]
async fn stopping_drops_what_does_not_end_and_says_nothing_about_it() {
    let stop_grace = Duration::from_millis(50);
    let limits = GrpcLimits { stop_grace, ..Default::default() };
    let (port, transport) = pair(limits, GrpcLimits::default()).await;
    let first = held(&transport, &port).await;
    let desk = Arc::downgrade(&port.desk);
    port.close().await;
    // "Refused" would say that nothing was done.
    let interrupted = within(first).await.unwrap().unwrap_err();
    assert!(matches!(interrupted, CallError::Unreachable { .. }), "{interrupted}");
    until(|| desk.strong_count() == 0).await;
}

#[tokio::test]
async fn a_stop_signal_whose_sender_is_gone_is_a_stop() {
    let (port, _) = pair(GrpcLimits::default(), GrpcLimits::default()).await;
    let Port { stop, served, .. } = port;
    drop(stop);
    within(served).await.unwrap().unwrap();
}
