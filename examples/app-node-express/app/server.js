import express from "express";

const app = express();
app.get("/", (_request, response) => response.send(`Hello from ${process.env.GREETING ?? "Express"}, version 1`));
app.get("/healthz", (_request, response) => response.send("ok"));

const server = app.listen(process.env.PORT ?? 3000);

// A pod that is ended finishes what it has begun; connections that idle are closed at once.
process.on("SIGTERM", () => server.close(() => process.exit(0)));
