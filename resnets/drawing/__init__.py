"""What charts share: colours, style, rendering, and forms that draw plain numbers."""
