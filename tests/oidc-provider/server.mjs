// A real provider on loopback: `node server.mjs PORT CALLBACK`. Whoever logs in on its page is who they say they are, and has an
// address at example.org that is confirmed. Says `ready` when it listens.
import Provider from 'oidc-provider';

const [port, callback] = process.argv.slice(2);
const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [{ client_id: 'market', client_secret: 's3cret', redirect_uris: [callback] }],
  claims: { email: ['email', 'email_verified'], profile: ['name'] },
  cookies: { keys: ['of a test'] },
  findAccount: (_, id) => ({
    accountId: id,
    claims: () => ({ sub: id, email: `${id}@example.org`, email_verified: true, name: 'Kim Park' }),
  }),
});
provider.listen(Number(port), '127.0.0.1', () => console.log('ready'));
