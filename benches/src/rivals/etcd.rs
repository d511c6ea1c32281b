//! etcd: one or three members, asked over gRPC as its own clients do.
//!
//! Clients put distinct keys at the leader, which is the member that answers fastest, over one
//! connection for every 32 of them. Members run with the defaults of their version.
//! Not here: the rest of etcd's interface; only the messages that are needed are written out.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use prost::Message;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

use super::runner::Bounds;
use super::server::{Server, Servers, Signal, command, find, free_ports};
use super::system::{Client, System};
use super::value::{VALUE_BYTES, value};

/// Clients that share one connection.
pub(crate) const CLIENTS_PER_CONNECTION: usize = 32;
const PREFIX: &str = "bench/";

/// etcd with some members.
#[derive(Debug)]
pub(crate) struct Etcd {
    members: usize,
    servers: Servers,
    /// `http://host:port` of the leader, once started.
    leader: String,
}

impl Etcd {
    pub(crate) fn new(members: usize) -> Self {
        Self { members, servers: Servers::default(), leader: String::new() }
    }

    async fn channel(&self) -> anyhow::Result<Channel> {
        Ok(Endpoint::new(self.leader.clone())?.tcp_nodelay(true).connect().await?)
    }
}

impl System for Etcd {
    type Client = Putter;

    fn name(&self) -> String {
        if self.members == 1 {
            "etcd 1 node".into()
        } else {
            format!("etcd {} nodes", self.members)
        }
    }

    fn nodes(&self) -> usize {
        self.members
    }

    fn absent(&self) -> Option<String> {
        let absent = find("etcd", &[]).is_none();
        absent.then(|| "`etcd` is not in PATH: apt-get install etcd-server".into())
    }

    async fn start(&mut self, folder: &Path) -> anyhow::Result<()> {
        let program = find("etcd", &[]).context("etcd")?;
        let ports = free_ports(self.members * 2)?;
        let (client, peer) = ports.split_at(self.members);
        let url = |port: u16| format!("http://127.0.0.1:{port}");
        let cluster: Vec<String> =
            peer.iter().enumerate().map(|(n, &port)| format!("n{n}={}", url(port))).collect();
        for member in 0..self.members {
            let mut command = command(&program, None, Signal::Kill)?;
            // Settings of an installed service must not come in.
            for (name, _) in std::env::vars_os() {
                if name.to_string_lossy().starts_with("ETCD_") {
                    command.env_remove(name);
                }
            }
            let (client, peer) = (url(client[member]), url(peer[member]));
            command.args(["--name", &format!("n{member}"), "--data-dir"]);
            command.arg(folder.join(format!("n{member}")));
            command.args(["--listen-client-urls", &client, "--advertise-client-urls", &client]);
            command.args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer]);
            command.args(["--initial-cluster", &cluster.join(",")]);
            command.args(["--initial-cluster-state", "new", "--logger", "zap"]);
            let log = folder.join(format!("n{member}.log"));
            self.servers.push(Server::start(command, Signal::Kill, &log)?);
        }
        let urls: Vec<String> = client.iter().map(|&port| url(port)).collect();
        let members = self.members;
        self.leader = self.servers.until_ready(async || find_leader(&urls, members).await).await?;
        Ok(())
    }

    fn servers(&self) -> &Servers {
        &self.servers
    }

    fn servers_mut(&mut self) -> &mut Servers {
        &mut self.servers
    }

    async fn connect(&self, clients: usize, _: Bounds) -> anyhow::Result<Vec<Putter>> {
        let mut all = Vec::with_capacity(clients);
        let mut channel = self.channel().await?;
        for client in 0..clients {
            if client > 0 && client % CLIENTS_PER_CONNECTION == 0 {
                channel = self.channel().await?;
            }
            all.push(Putter { channel: channel.clone(), client });
        }
        Ok(all)
    }

    async fn kept(&self) -> anyhow::Result<u64> {
        let end = format!("{}0", &PREFIX[..PREFIX.len() - 1]);
        let request =
            RangeRequest { key: PREFIX.into(), range_end: end.into_bytes(), count_only: true };
        let channel = self.channel().await?;
        let answer: RangeResponse = call(channel, "/etcdserverpb.KV/Range", request).await?;
        Ok(u64::try_from(answer.count)?)
    }
}

/// The address of the leader, once every member follows it and it has taken a record.
async fn find_leader(urls: &[String], members: usize) -> anyhow::Result<String> {
    let mut leaders = Vec::new();
    let mut address = None;
    for url in urls {
        let endpoint = Endpoint::new(url.clone())?.connect_timeout(Duration::from_secs(1));
        let channel = endpoint.connect().await?;
        let path = "/etcdserverpb.Maintenance/Status";
        let status: StatusResponse = call(channel.clone(), path, StatusRequest {}).await?;
        let header = status.header.context("a status has a header")?;
        if header.member_id == status.leader {
            address = Some((url.clone(), channel));
        }
        leaders.push(status.leader);
    }
    leaders.dedup();
    let (url, channel) = address.context("no member leads yet")?;
    anyhow::ensure!(leaders.len() == 1, "the {members} members do not follow one leader yet");
    let probe = PutRequest { key: b"probe".to_vec(), value: vec![] };
    let _: PutResponse = call(channel, "/etcdserverpb.KV/Put", probe).await?;
    Ok(url)
}

/// A client that puts.
#[derive(Debug)]
pub(crate) struct Putter {
    channel: Channel,
    client: usize,
}

impl Client for Putter {
    async fn append(&mut self, number: usize) -> anyhow::Result<()> {
        let key = format!("{PREFIX}{}/{number}", self.client).into_bytes();
        let request =
            PutRequest { key, value: value(self.client, number, VALUE_BYTES).into_bytes() };
        let answer: PutResponse =
            call(self.channel.clone(), "/etcdserverpb.KV/Put", request).await?;
        anyhow::ensure!(answer.header.is_some_and(|header| header.revision > 0), "no revision");
        Ok(())
    }
}

async fn call<Q, A>(channel: Channel, path: &'static str, request: Q) -> anyhow::Result<A>
where
    Q: Message + 'static,
    A: Message + Default + 'static,
{
    let mut grpc = tonic::client::Grpc::new(channel);
    grpc.ready().await?;
    let path = PathAndQuery::from_static(path);
    let codec = ProstCodec(std::marker::PhantomData);
    Ok(grpc.unary(Request::new(request), path, codec).await?.into_inner())
}

/// Requests of type `Q` and answers of type `A` as protocol buffers.
struct ProstCodec<Q, A>(std::marker::PhantomData<(Q, A)>);

impl<Q: Message + 'static, A: Message + Default + 'static> Codec for ProstCodec<Q, A> {
    type Encode = Q;
    type Decode = A;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self(std::marker::PhantomData)
    }

    fn decoder(&mut self) -> Self {
        Self(std::marker::PhantomData)
    }
}

impl<Q: Message, A> Encoder for ProstCodec<Q, A> {
    type Item = Q;
    type Error = Status;

    fn encode(&mut self, item: Q, into: &mut EncodeBuf<'_>) -> Result<(), Status> {
        item.encode(into).map_err(|error| Status::internal(error.to_string()))
    }
}

impl<Q, A: Message + Default> Decoder for ProstCodec<Q, A> {
    type Item = A;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<A>, Status> {
        A::decode(from).map(Some).map_err(|error| Status::internal(error.to_string()))
    }
}

// Of etcd's `rpc.proto`; fields that are not read are left out.

#[derive(Clone, PartialEq, Message)]
struct ResponseHeader {
    #[prost(uint64, tag = "2")]
    member_id: u64,
    #[prost(int64, tag = "3")]
    revision: i64,
}

#[derive(Clone, PartialEq, Message)]
struct PutRequest {
    #[prost(bytes = "vec", tag = "1")]
    key: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct PutResponse {
    #[prost(message, optional, tag = "1")]
    header: Option<ResponseHeader>,
}

#[derive(Clone, PartialEq, Message)]
struct RangeRequest {
    #[prost(bytes = "vec", tag = "1")]
    key: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    range_end: Vec<u8>,
    #[prost(bool, tag = "9")]
    count_only: bool,
}

#[derive(Clone, PartialEq, Message)]
struct RangeResponse {
    #[prost(int64, tag = "4")]
    count: i64,
}

#[derive(Clone, PartialEq, Message)]
struct StatusRequest {}

#[derive(Clone, PartialEq, Message)]
struct StatusResponse {
    #[prost(message, optional, tag = "1")]
    header: Option<ResponseHeader>,
    #[prost(uint64, tag = "4")]
    leader: u64,
}
