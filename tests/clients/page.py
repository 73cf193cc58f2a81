"""Serves one page, which the example tool fetch fetches, and prints the port that it took."""

from http.server import BaseHTTPRequestHandler, HTTPServer

PAGE = "Grüße aus dem Netz 🎲\n".encode()


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(PAGE)))
        self.end_headers()
        self.wfile.write(PAGE)


server = HTTPServer(("127.0.0.1", 0), Handler)
print("port", server.server_port, flush=True)
server.serve_forever()
