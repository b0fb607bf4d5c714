/** Where the upstreams are: the program's arguments after the first, which is for the subject itself. */
export const targets = process.argv.slice(3);
export const variant = process.argv[2];

/** Tells the bench which port to send to; ends with the bench. */
export function announce(port) {
  process.on("disconnect", () => process.exit(0));
  process.send?.({ port });
}

/** Listens on a free port of the loopback and tells the bench. */
export function listen(server) {
  server.listen({ port: 0, host: "127.0.0.1", backlog: 4096 }, () => announce(server.address().port));
}
