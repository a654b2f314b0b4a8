//! A small HTTP server whose handlers may sleep, lie, and hang up; what the rigs that play a service stand
//! on.

use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::sync::oneshot;

/// What a client asked.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// With the query.
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

/// What it is told.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
}

/// What becomes of a request.
#[derive(Debug)]
pub(crate) enum Reply {
    Answer(Answer),
    /// The connection is closed without a word.
    HangUp,
}

/// A running server. It ends, and cuts what is open, when it is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    address: SocketAddr,
    stop: Option<oneshot::Sender<Infallible>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Request {
    /// A header's value, where there is one that is text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

impl Answer {
    pub(crate) fn new(status: u16, kind: &str, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            headers: vec![("content-type", kind.to_owned())],
            body: body.into(),
        }
    }
}

impl Server {
    /// Serves a listener's connections, each request in a thread of its own.
    pub(crate) fn start(
        listener: TcpListener,
        handler: impl Fn(Request) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let address = listener.local_addr().expect("a listener has an address");
        listener
            .set_nonblocking(true)
            .expect("a socket takes options");
        let (stop, stopped) = oneshot::channel();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_io()
                .build()
                .expect("a runtime can be made");
            runtime.block_on(async {
                tokio::select! {
                    () = accept(listener, Arc::new(handler)) => (),
                    _ = stopped => (),
                }
            });
            // Not waiting for handlers: one may sleep for long.
            runtime.shutdown_background();
        });
        Self {
            address,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

type Handler = dyn Fn(Request) -> Reply + Send + Sync;

async fn accept(listener: TcpListener, handler: Arc<Handler>) {
    let listener = tokio::net::TcpListener::from_std(listener).expect("a listener can be watched");
    while let Ok((stream, _)) = listener.accept().await {
        let _ = stream.set_nodelay(true);
        let handler = Arc::clone(&handler);
        tokio::spawn(async move {
            let service = service_fn(|request| serve(request, Arc::clone(&handler)));
            // An error is a client that went away, or one that was hung up on.
            let _ = http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

async fn serve(
    request: hyper::Request<Incoming>,
    handler: Arc<Handler>,
) -> io::Result<hyper::Response<Full<Bytes>>> {
    let (head, body) = request.into_parts();
    let request = Request {
        method: head.method.to_string(),
        path: (head.uri.path_and_query()).map_or_else(String::new, ToString::to_string),
        headers: head.headers,
        body: (body.collect().await.map_err(io::Error::other)?.to_bytes()).to_vec(),
    };
    match tokio::task::spawn_blocking(move || handler(request)).await {
        Ok(Reply::Answer(answer)) => Ok(response(answer)),
        Ok(Reply::HangUp) => Err(io::ErrorKind::ConnectionAborted.into()),
        Err(panic) => Ok(response(Answer::new(
            500,
            "text/plain",
            format!("the rig failed: {panic}"),
        ))),
    }
}

fn response(answer: Answer) -> hyper::Response<Full<Bytes>> {
    let mut response = hyper::Response::new(Full::from(answer.body));
    *response.status_mut() = answer.status.try_into().expect("a status is one of HTTP's");
    for (name, value) in answer.headers {
        let value = HeaderValue::try_from(value).expect("our own headers are text");
        (response.headers_mut()).insert(HeaderName::from_static(name), value);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    fn server() -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        Server::start(listener, |request| match request.path.as_str() {
            "/hang-up" => Reply::HangUp,
            "/sleep" => {
                thread::sleep(Duration::from_secs(60));
                Reply::HangUp
            }
            path => Reply::Answer(Answer::new(
                418,
                "text/plain",
                format!("{} {path} {}", request.method, request.body.len()),
            )),
        })
    }

    #[test]
    fn it_answers_and_hangs_up() {
        let server = server();
        let agent = ureq::Agent::new_with_config(
            ureq::Agent::config_builder()
                .http_status_as_error(false)
                .build(),
        );
        let url = |path| format!("http://{}{path}", server.address());
        let mut answer = agent.post(url("/a?b=c")).send("four").unwrap();
        assert_eq!(answer.status(), 418);
        let text = answer.body_mut().read_to_string().unwrap();
        assert_eq!(text, "POST /a?b=c 4");
        assert!(agent.get(url("/hang-up")).call().is_err());
        assert_eq!(agent.get(url("/again")).call().unwrap().status(), 418);
    }

    #[test]
    fn it_ends_at_once_whatever_its_handlers_do() {
        let server = server();
        let address = server.address();
        let asker = thread::spawn(move || ureq::get(format!("http://{address}/sleep")).call());
        thread::sleep(Duration::from_millis(100));
        let started = Instant::now();
        drop(server);
        assert!(asker.join().unwrap().is_err());
        assert!(started.elapsed() < Duration::from_secs(5));
        assert!(std::net::TcpStream::connect(address).is_err());
    }
}
