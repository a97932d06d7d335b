// The console: sign-in and all that lies below /console/.
import { render } from "preact";
import "./styles/console.css";
import { Shell } from "./app/shell";

render(<Shell />, document.body);
