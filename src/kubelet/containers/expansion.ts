/** `$(NAME)` in commands, arguments, values and paths; `$$(NAME)` stays as `$(NAME)`, an unknown name stays as it is. */
export function expand(text: string, valueOf: (name: string) => string | undefined): string {
  return text.replace(/\$(?:\$|\(([^)]*)\))/g, (whole, name: string | undefined) => {
    if (name === undefined) return '$'
    return valueOf(name) ?? whole
  })
}
