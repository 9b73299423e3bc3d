// Requests: to the page's own server, and to Airflow's API with the user's own permissions.
// Addresses are relative, because Airflow may live behind a prefix.

export class Failure extends Error {
  constructor(status, body) {
    super(typeof body?.detail === "string" ? body.detail : JSON.stringify(body?.detail ?? status));
    this.status = status;
    this.problem = body?.problem;
  }
}

async function answerOf(response) {
  const body = await response.json().catch(() => null);
  if (!response.ok) throw new Failure(response.status, body);
  return body;
}

/** Ask the page's own server. */
export async function ask(name, parameters = {}) {
  return answerOf(await fetch(`api/${name}?${new URLSearchParams(parameters)}`));
}

async function airflow(method, path, body) {
  return answerOf(
    await fetch(`../api/v2/${path}`, {
      method,
      headers: body && { "Content-Type": "application/json" },
      body: body && JSON.stringify(body),
    }),
  );
}

export const startBackfill = (body) => airflow("POST", "backfills", body);

export const unpause = (dagId) => airflow("PATCH", `dags/${encodeURIComponent(dagId)}`, { is_paused: false });

/** Tell whether a backfill of a DAG has not ended yet. */
export async function isBackfilled(dagId) {
  const query = new URLSearchParams({ dag_id: dagId, order_by: "-id", limit: 20 });
  const { backfills } = await airflow("GET", `backfills?${query}`);
  return backfills.some((one) => !one.completed_at);
}
