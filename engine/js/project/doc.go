// Package project reads what a person hands to everloop as a program in TypeScript or JavaScript, and makes
// one module of it that a JavaScript engine can run.
//
// A project is a folder with a wrangler configuration (wrangler.jsonc, wrangler.json or wrangler.toml), or a
// single file without any configuration. [Load] reads the configuration and checks it; [Project.Bundle] bundles and
// transpiles the code in process, with esbuild; the [Bundle] knows what it exports, which files it was made of, and where each
// place in it was in the source.
//
// Nothing here runs any of the project's code. So the package cannot say which exports are classes: it gives
// their names, and who evaluates the bundle looks.
//
// Errors are meant for the person who wrote the project. Each is an [*Error] or [Errors], with a place, an
// excerpt of the source where that helps, and what to do.
//
// The package is called when a program starts or is loaded anew, from any goroutine. A Project is not changed
// after Load and a Bundle not after Bundle, so both are safe for concurrent use.
package project
