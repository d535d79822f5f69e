fn main() {
    server_link::server("guest");
}
