// What both stories need of their surroundings.
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";

function setting(name: string): string {
  const value = process.env[name];
  if (value === undefined) throw new Error(`${name} is not set`);
  return value;
}

export const baseUrl = setting("BASE");
export const adminToken = setting("ADMIN_TOKEN");
export const picture = new Blob([readFileSync(setting("PICTURE"))], { type: "image/png" });
export const password = "a long pass phrase for stories";

/** Returns an address that nobody else has. */
export const address = (name: string): string => `${name}.${crypto.randomUUID()}@example.org`;

export const pause = (milliseconds: number): Promise<void> => new Promise((done) => setTimeout(done, milliseconds));

export function check(holds: boolean, what: string): asserts holds {
  if (!holds) throw new Error(what);
}

/** Waits for a mail to an address, and returns the token in its link. */
export async function mailedToken(to: string): Promise<string> {
  const folder = setting("MAIL");
  for (let tries = 0; tries < 300; tries += 1) {
    for (const name of readdirSync(folder)) {
      const mail = readFileSync(join(folder, name), "utf8").replaceAll(/=\r?\n/g, "").replaceAll("=3D", "=");
      const token = /token=([\w.-]+)/.exec(mail)?.[1];
      if (token !== undefined && mail.includes(to)) return token;
    }
    await pause(100);
  }
  throw new Error(`no mail to ${to}`);
}
