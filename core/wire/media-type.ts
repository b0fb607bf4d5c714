/** Whether a body is JSON by its Content-Type; one without a type is taken for it. */
export function isJson(contentType: string): boolean {
  if (contentType === "application/json" || contentType === "") return true;
  const semicolon = contentType.indexOf(";");
  const essence = (semicolon === -1 ? contentType : contentType.slice(0, semicolon)).trim().toLowerCase();
  return essence === "application/json" || (essence.startsWith("application/") && essence.endsWith("+json"));
}
