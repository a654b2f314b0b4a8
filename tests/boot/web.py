"""A folder over HTTP and over HTTPS, with a certificate of an authority of its own for 127.0.0.1 and localhost.
Prints both ports, and the authority in PEM. `valid` days from now, which may lie in the past."""

import datetime, functools, http.server, ipaddress, os, ssl, sys, tempfile, threading

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

folder, first_day, last_day = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])


def certificate(name, key, issuer, issuer_key, is_authority):
    now = datetime.datetime.now(datetime.timezone.utc)
    named = lambda name: x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    names = [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("localhost")]
    return (
        x509.CertificateBuilder()
        .subject_name(named(name))
        .issuer_name(named(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + datetime.timedelta(days=first_day))
        .not_valid_after(now + datetime.timedelta(days=last_day))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(issuer_key, hashes.SHA256())
    )


class Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


authority_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
authority = certificate("authority", authority_key, "authority", authority_key, True)
server = certificate("server", key, "authority", authority_key, False)
pem = serialization.Encoding.PEM
plain = (pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
with tempfile.NamedTemporaryFile() as chain:
    chain.write(server.public_bytes(pem) + key.private_bytes(*plain))
    chain.flush()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain.name)
handler = functools.partial(Handler, directory=folder)
secure = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
open_ = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
secure.socket = context.wrap_socket(secure.socket, server_side=True, do_handshake_on_connect=False)
print(secure.server_port)
print(open_.server_port)
print(authority.public_bytes(pem).decode(), end="", flush=True)
os.close(sys.stdout.fileno())
threading.Thread(target=open_.serve_forever, daemon=True).start()
secure.serve_forever()
