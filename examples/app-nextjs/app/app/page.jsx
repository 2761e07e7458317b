export const dynamic = "force-dynamic";

export default function Page() {
  return <h1>Hello from {process.env.GREETING ?? "Next.js"}, version 1</h1>;
}
